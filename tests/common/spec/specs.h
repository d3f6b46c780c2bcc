// Specs to check.
#pragma once

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

#include "common/spec/validate.h"

namespace layernas::spec {

inline v1::SearchSpec Parse(const std::string& text) {
  v1::SearchSpec spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec));
  return spec;
}

// Two layers with known costs, from 1 + 0.5 + 3 = 4.5 to 1 + 2 + 5 = 8.
inline v1::SearchSpec Good() {
  return Parse(R"pb(
    name: "good"
    space {
      layers {
        name: "a"
        options {
          name: "skip"
          costs { key: "ms" value: 0.5 }
        }
        options {
          name: "conv"
          costs { key: "ms" value: 2 }
        }
      }
      layers {
        name: "b"
        options {
          name: "small"
          costs { key: "ms" value: 3 }
        }
        options {
          name: "large"
          costs { key: "ms" value: 5 }
        }
        default: "small"
      }
      base_costs { key: "ms" value: 1 }
    }
    objective { cost: "ms" targets: 5 targets: 6 }
    strategy { layernas {} }
    budget { trainings: 10 }
  )pb");
}

inline v1::SearchSpec WithMeasuredCost() {
  v1::SearchSpec spec = Good();
  spec.mutable_space()->clear_base_costs();
  for (v1::Layer& layer : *spec.mutable_space()->mutable_layers()) {
    for (v1::Option& option : *layer.mutable_options()) option.clear_costs();
  }
  return spec;
}

inline v1::LayerNas& Strategy(v1::SearchSpec& spec) { return *spec.mutable_strategy()->mutable_layernas(); }
inline v1::Buckets& BucketsOf(v1::SearchSpec& spec) { return *Strategy(spec).mutable_buckets(); }

}  // namespace layernas::spec
