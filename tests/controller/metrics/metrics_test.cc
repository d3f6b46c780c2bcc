#include "controller/metrics/metrics.h"

#include <gtest/gtest.h>

#include <string>

namespace layernas {
namespace {

// Returns the value of the gauge with this label.
double ValueOf(const ControllerMetrics& metrics, const std::string& name, const std::string& label) {
  for (const auto& family : metrics.registry()->Collect()) {
    if (family.name != name) continue;
    for (const auto& metric : family.metric) {
      if (metric.label.size() == 1 && metric.label[0].value == label) return metric.gauge.value;
    }
  }
  return -1;
}

TEST(ControllerMetrics, RequirementsWithTheSameTextAreAddedUp) {
  ControllerMetrics metrics;
  EngineFigures figures;
  figures.wanted = {{{{"a", "1"}, {"b", "2"}}, 4}, {{{"a", "1,b=2"}}, 2}, {{{"c", "3"}}, 1}};
  for (int i = 0; i < 2; ++i) {
    metrics.Show(figures);
    EXPECT_EQ(ValueOf(metrics, "layernas_tasks_wanted", "a=1,b=2"), 6);
    EXPECT_EQ(ValueOf(metrics, "layernas_tasks_wanted", "c=3"), 1);
  }
}

}  // namespace
}  // namespace layernas
