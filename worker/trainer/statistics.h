// Order statistics: medians and quantiles hold where a few values are far off, as times always are.
#pragma once

#include <vector>

namespace layernas::trainer {

// Nearest-rank quantile, 0 < q <= 1, of `sorted`, which is ascending and not empty.
double Quantile(const std::vector<double>& sorted, double q);

// Of values that are not empty.
double Median(std::vector<double> values);

struct Interval {
  double low = 0;
  double high = 0;
};

// Where the median of what the values were drawn from lies, with at least 95 % confidence, whatever its distribution:
// by the binomial distribution of how many values lie below it. Of fewer than six values, all their range.
Interval MedianInterval(std::vector<double> values);

}  // namespace layernas::trainer
