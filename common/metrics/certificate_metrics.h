// When the certificate that a program shows ends.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <string>
#include <utility>
#include <vector>

namespace layernas {

// layernas_tls_certificate_end_timestamp_seconds: of the certificate that lies in the file now, since renewed ones are
// used without a restart. Left out without a file, and while what lies there is no certificate.
class CertificateMetrics : public prometheus::Collectable {
 public:
  // Empty: there is none.
  explicit CertificateMetrics(std::string certificate_file) : certificate_file_(std::move(certificate_file)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::string certificate_file_;
};

}  // namespace layernas
