// A metric with the expiry time of the program's TLS certificate.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <string>
#include <utility>
#include <vector>

namespace layernas {

// layernas_tls_certificate_end_timestamp_seconds: the expiry time of the certificate that is in the
// file now, because renewed certificates are used without a restart. The metric is omitted without
// a file, or while the file contains no certificate.
class CertificateMetrics : public prometheus::Collectable {
 public:
  // An empty name means that there is no certificate.
  explicit CertificateMetrics(std::string certificate_file) : certificate_file_(std::move(certificate_file)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::string certificate_file_;
};

}  // namespace layernas
