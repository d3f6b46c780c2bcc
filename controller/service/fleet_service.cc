#include "controller/service/fleet_service.h"

#include "controller/service/call.h"
#include "controller/service/convert.h"
#include "controller/service/page_bytes.h"
#include "controller/service/page_token.h"

namespace layernas {

grpc::ServerUnaryReactor* FleetServiceImpl::ListWorkers(grpc::CallbackServerContext* context,
                                                        const v1::ListWorkersRequest* request,
                                                        v1::ListWorkersResponse* response) {
  const Call call = entrance_.Begin(context, "ListWorkers");
  if (call.refused()) return call.reactor();
  const absl::StatusOr<std::size_t> size = PageSize(request->page_size());
  if (!size.ok()) {
    call.Finish(size.status());
    return call.reactor();
  }
  entrance_.InTurn(call, context, [this, request, response, size = *size](const Call& begun) {
    // The token is the last id of the previous page. One more than the page shows whether there is
    // another page.
    engine_.ListWorkers(request->page_token(), size + 1,
                        [call = begun, response, size](const absl::StatusOr<std::vector<WorkerView>>& workers) {
                          if (workers.ok()) {
                            const auto rows =
                                std::span<const WorkerView>(*workers).first(std::min(size, workers->size()));
                            const std::size_t taken = FillPage(rows, *response->mutable_workers(),
                                                               [](const WorkerView& row) { return ToWire(row); });
                            if (taken < workers->size()) response->set_next_page_token(rows[taken - 1].info.id);
                          }
                          call.Finish(workers.status());
                        });
  });
  return call.reactor();
}

}  // namespace layernas
