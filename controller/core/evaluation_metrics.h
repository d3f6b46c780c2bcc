// Metrics: the numbers, by name, that an evaluator reports for an architecture.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace layernas::core {

// Takes little memory when there are very many: results with the same names can share them. Ordered
// by name; each name occurs once.
class Metrics {
 public:
  struct Entry {
    const std::string& name;
    double value;
  };

  class Iterator {
   public:
    Iterator(const Metrics& metrics, std::size_t index) : metrics_(&metrics), index_(index) {}
    Entry operator*() const { return {(*metrics_->names_)[index_], metrics_->values_[index_]}; }
    Iterator& operator++() {
      ++index_;
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    const Metrics* metrics_;
    std::size_t index_;
  };

  Metrics() = default;
  Metrics(std::initializer_list<std::pair<std::string, double>> entries) : Metrics(std::vector(entries)) {}
  // If a name occurs more than once, the last value counts.
  explicit Metrics(std::vector<std::pair<std::string, double>> entries);

  bool empty() const { return values_.empty(); }
  std::size_t size() const { return values_.size(); }
  Iterator begin() const { return {*this, 0}; }
  Iterator end() const { return {*this, values_.size()}; }

  std::optional<double> Find(std::string_view name) const;
  void Set(const std::string& name, double value);

  // Replaces the names by those of `other` if they are equal.
  void ShareNames(const Metrics& other);
  bool SharesNames(const Metrics& other) const { return names_ == other.names_; }

  bool operator==(const Metrics& other) const;

 private:
  // Ascending; null if there are no metrics.
  std::shared_ptr<const std::vector<std::string>> names_;
  // In the order of the names.
  std::vector<double> values_;
};

}  // namespace layernas::core
