// Order statistics. Medians and quantiles stay meaningful if a few values are far off, as measured
// times always are.
#pragma once

#include <vector>

namespace layernas::trainer {

// Returns the nearest-rank quantile, 0 < q <= 1, of `sorted`, which must be ascending and not
// empty.
double Quantile(const std::vector<double>& sorted, double q);

// `values` must not be empty.
double Median(std::vector<double> values);

struct Interval {
  double low = 0;
  double high = 0;
};

// Returns an interval that contains, with at least 95 % confidence, the median of the distribution
// from which the values were drawn. It holds for every distribution, by the binomial distribution
// of the number of values below the median. For fewer than six values it is their whole range.
Interval MedianInterval(std::vector<double> values);

}  // namespace layernas::trainer
