// Valid requests, which tests change.
#pragma once

#include <nlohmann/json.hpp>

namespace layernas::trainer {

inline nlohmann::json Layer(const char* name, const char* option, int channels, int stride) {
  return {{"name", name}, {"option", option}, {"channels", channels}, {"stride", stride}};
}

inline nlohmann::json SmallRequest() {
  return {
      {"evaluate",
       {{"task", "searches/test-1/candidates/3"},
        {"architecture",
         {{"id", "0120"}, {"layers", {Layer("block1", "conv_k3", 16, 2), Layer("block2", "mbconv_k3_e2", 16, 1)}}}},
        {"network",
         {{"input", {3, 32, 32}},
          {"classes", 10},
          {"stem_channels", 8},
          {"head_channels", 32},
          {"parameters", {{"stem_stride", 2}}}}},
        {"train",
         {{"dataset", "shapes10"}, {"epochs", 2}, {"batch", 32}, {"train_examples", 200}, {"validation_examples", 50}}},
        {"measure", {{"warm_up", 2}, {"runs", 30}}},
        {"seed", 7}}}};
}

}  // namespace layernas::trainer
