#include "controller/service/fleet_service.h"

#include "controller/service/call.h"
#include "controller/service/convert.h"
#include "controller/service/page_token.h"

namespace layernas {

grpc::ServerUnaryReactor* FleetServiceImpl::ListWorkers(grpc::CallbackServerContext* context,
                                                        const v1::ListWorkersRequest* request,
                                                        v1::ListWorkersResponse* response) {
  const Call call(context->DefaultReactor(), metrics_.RpcSeconds("ListWorkers"));
  const absl::StatusOr<std::size_t> size = PageSize(request->page_size());
  if (!size.ok()) {
    call.Finish(size.status());
    return call.reactor();
  }
  // The token is the last id of the page before; one more than the page tells whether there is another.
  engine_.ListWorkers(request->page_token(), *size + 1,
                      [call, response, size = *size](const absl::StatusOr<std::vector<WorkerView>>& workers) {
                        if (workers.ok()) {
                          for (std::size_t i = 0; i < std::min(size, workers->size()); ++i) {
                            *response->add_workers() = ToWire((*workers)[i]);
                          }
                          if (workers->size() > size) {
                            response->set_next_page_token(response->workers().rbegin()->info().id());
                          }
                        }
                        call.Finish(workers.status());
                      });
  return call.reactor();
}

}  // namespace layernas
