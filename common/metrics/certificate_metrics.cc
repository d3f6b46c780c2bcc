#include "common/metrics/certificate_metrics.h"

#include "common/rpc/tls.h"

namespace layernas {

std::vector<prometheus::MetricFamily> CertificateMetrics::Collect() const {
  if (certificate_file_.empty()) return {};
  const absl::StatusOr<std::int64_t> end = rpc::CertificateEnd(certificate_file_);
  if (!end.ok()) return {};
  prometheus::ClientMetric metric;
  metric.gauge.value = static_cast<double>(*end);
  return {{"layernas_tls_certificate_end_timestamp_seconds",
           "Unix time at which the certificate in --tls-cert expires.",
           prometheus::MetricType::Gauge,
           {std::move(metric)}}};
}

}  // namespace layernas
