#include "controller/service/search_service.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/spec/validate.h"
#include "controller/service/call.h"
#include "controller/service/convert.h"
#include "controller/service/page_bytes.h"
#include "controller/service/page_token.h"
#include "controller/service/watch.h"
#include "controller/spec/core_config.h"

namespace layernas {
namespace {

constexpr std::size_t kMaxRequestIdBytes = 100;
constexpr int kMaxStates = 100;
// Maximum waiting specs of one caller. Each has up to 2 MiB, and its check takes up to a second or
// two.
constexpr std::size_t kMaxWaitingChecks = 16;
// Maximum points of a frontier that are read for one page.
constexpr std::size_t kMostPoints = 2'000;

// Makes an error with one line per mistake.
absl::Status ToStatus(const std::vector<spec::Violation>& violations) {
  if (violations.empty()) return absl::OkStatus();
  std::string lines;
  for (std::size_t i = 0; i < violations.size(); ++i) {
    const std::string line = absl::StrCat(i == 0 ? "" : "\n", violations[i].field, ": ", violations[i].message);
    // Leaves room for the last line. The first line is always included, however long it is.
    if (i > 0 && lines.size() + line.size() > rpc::kMaxMessageBytes - 50) {
      absl::StrAppend(&lines, "\n… and ", violations.size() - i, " more");
      break;
    }
    lines += line;
  }
  return absl::InvalidArgumentError(lines);
}

absl::Status CheckSharing(const v1::Sharing& sharing) {
  if (!sharing.has_weight() && !sharing.has_priority() && !sharing.has_max_running()) {
    return absl::InvalidArgumentError("sharing: set at least one of weight, priority and max_running");
  }
  std::vector<spec::Violation> violations = spec::ValidateSharing(sharing);
  for (spec::Violation& violation : violations) violation.field = "sharing." + violation.field;
  return ToStatus(violations);
}

// Finishes the call with the search that it changed or requested.
template <typename Response>
Reply<SearchView> AnswerWithSearch(const Call& call, Response* response, const std::shared_ptr<SpecCache>& specs) {
  return [call, response, specs](const absl::StatusOr<SearchView>& view) {
    if (view.ok()) *response->mutable_search() = ToWire(*view, specs->Get(view->spec)->spec());
    call.Finish(view.status());
  };
}

// Also checks the spec as it will be stored: a restarted controller must still accept it.
absl::Status CheckSpec(const v1::SearchSpec& spec) {
  const absl::Status status = ToStatus(spec::ValidateSpec(spec));
  return status.ok() ? ToStatus(spec::ValidateSpec(spec::WithDefaults(spec))) : status;
}

}  // namespace

SearchServiceImpl::SearchServiceImpl(Engine& engine, Gate& gate, ControllerMetrics& metrics)
    : engine_(engine), entrance_(v1::SearchService::service_full_name(), gate, metrics), checks_(kMaxWaitingChecks) {}

void SearchServiceImpl::CheckInTurn(const Call& call, grpc::CallbackServerContext* context,
                                    std::function<void()> check) {
  const absl::Status status = checks_.Post(call.caller(), [call, context, check = std::move(check)] {
    if (context->IsCancelled()) {
      call.Finish(absl::CancelledError("the caller is gone"));
    } else {
      check();
    }
  });
  if (!status.ok()) call.Finish(status);
}

grpc::ServerUnaryReactor* SearchServiceImpl::ValidateSearch(grpc::CallbackServerContext* context,
                                                            const v1::ValidateSearchRequest* request,
                                                            v1::ValidateSearchResponse* response) {
  const Call call = entrance_.Begin(context, "ValidateSearch");
  if (call.refused()) return call.reactor();
  CheckInTurn(call, context, [call, request, response] {
    const absl::Status status = CheckSpec(request->spec());
    if (status.ok()) *response->mutable_summary() = spec::Summarize(request->spec());
    call.Finish(status);
  });
  return call.reactor();
}

grpc::ServerUnaryReactor* SearchServiceImpl::CreateSearch(grpc::CallbackServerContext* context,
                                                          const v1::CreateSearchRequest* request,
                                                          v1::CreateSearchResponse* response) {
  const Call call = entrance_.Begin(context, "CreateSearch");
  if (call.refused()) return call.reactor();
  if (request->request_id().size() > kMaxRequestIdBytes) {
    call.Finish(absl::InvalidArgumentError(absl::StrCat("request_id: is longer than ", kMaxRequestIdBytes, " bytes")));
    return call.reactor();
  }
  CheckInTurn(call, context, [this, call, request, response] {
    if (const absl::Status status = CheckSpec(request->spec()); !status.ok()) {
      call.Finish(status);
      return;
    }
    // Stored with its defaults: those of a later version must not change a running search.
    const v1::SearchSpec spec = spec::WithDefaults(request->spec());
    engine_.CreateSearch(
        {spec.name(), spec.SerializeAsString(), ToCoreConfig(spec), request->request_id(), call.caller()},
        AnswerWithSearch(call, response, specs_));
  });
  return call.reactor();
}

grpc::ServerUnaryReactor* SearchServiceImpl::GetSearch(grpc::CallbackServerContext* context,
                                                       const v1::GetSearchRequest* request,
                                                       v1::GetSearchResponse* response) {
  const Call call = entrance_.Begin(context, "GetSearch");
  if (call.refused()) return call.reactor();
  entrance_.InTurn(call, context, [this, request, response](const Call& begun) {
    engine_.GetSearch(request->name(), AnswerWithSearch(begun, response, specs_));
  });
  return call.reactor();
}

grpc::ServerUnaryReactor* SearchServiceImpl::ListSearches(grpc::CallbackServerContext* context,
                                                          const v1::ListSearchesRequest* request,
                                                          v1::ListSearchesResponse* response) {
  const Call call = entrance_.Begin(context, "ListSearches");
  if (call.refused()) return call.reactor();
  const absl::StatusOr<std::size_t> size = PageSize(request->page_size());
  const absl::StatusOr<std::uint64_t> before =
      ParsePageToken(request->page_token(), std::numeric_limits<std::uint64_t>::max());
  if (!size.ok() || !before.ok()) {
    call.Finish(size.ok() ? before.status() : size.status());
    return call.reactor();
  }
  entrance_.InTurn(call, context, [this, request, response, before = *before, size = *size](const Call& begun) {
    engine_.ListSearches(
        before, size, [call = begun, response, specs = specs_](const absl::StatusOr<Page<SearchView>>& page) {
          if (page.ok()) {
            const std::span<const SearchView> views = page->items;
            const std::size_t taken = FillPage(views, *response->mutable_searches(), [&](const SearchView& view) {
              return ToWire(view, specs->Get(view.spec)->spec());
            });
            const auto next = taken < views.size() ? ParseSearchName(views[taken - 1].name)->id : page->next;
            if (next) response->set_next_page_token(FormatPageToken(*next));
          }
          call.Finish(page.status());
        });
  });
  return call.reactor();
}

grpc::ServerWriteReactor<v1::WatchSearchResponse>* SearchServiceImpl::WatchSearch(
    grpc::CallbackServerContext* context, const v1::WatchSearchRequest* request) {
  auto admit = [this, context] { return entrance_.Admit(*context, "WatchSearch"); };
  if (const absl::Status status = admit(); !status.ok()) return RefuseWatch(status);
  absl::StatusOr<OpenCalls::Place> place = entrance_.gate().EnterStream(context->peer());
  if (!place.ok()) return RefuseWatch(place.status());
  return StartWatch(engine_, specs_, *context, *request, admit, *std::move(place));
}

grpc::ServerUnaryReactor* SearchServiceImpl::PauseSearch(grpc::CallbackServerContext* context,
                                                         const v1::PauseSearchRequest* request,
                                                         v1::PauseSearchResponse* response) {
  const Call call = entrance_.Begin(context, "PauseSearch");
  if (call.refused()) return call.reactor();
  entrance_.InTurn(call, context, [this, request, response](const Call& begun) {
    engine_.PauseSearch(request->name(), AnswerWithSearch(begun, response, specs_));
  });
  return call.reactor();
}

grpc::ServerUnaryReactor* SearchServiceImpl::ResumeSearch(grpc::CallbackServerContext* context,
                                                          const v1::ResumeSearchRequest* request,
                                                          v1::ResumeSearchResponse* response) {
  const Call call = entrance_.Begin(context, "ResumeSearch");
  if (call.refused()) return call.reactor();
  entrance_.InTurn(call, context, [this, request, response](const Call& begun) {
    engine_.ResumeSearch(request->name(), AnswerWithSearch(begun, response, specs_));
  });
  return call.reactor();
}

grpc::ServerUnaryReactor* SearchServiceImpl::CancelSearch(grpc::CallbackServerContext* context,
                                                          const v1::CancelSearchRequest* request,
                                                          v1::CancelSearchResponse* response) {
  const Call call = entrance_.Begin(context, "CancelSearch");
  if (call.refused()) return call.reactor();
  entrance_.InTurn(call, context, [this, request, response](const Call& begun) {
    engine_.CancelSearch(request->name(), AnswerWithSearch(begun, response, specs_));
  });
  return call.reactor();
}

grpc::ServerUnaryReactor* SearchServiceImpl::UpdateSearch(grpc::CallbackServerContext* context,
                                                          const v1::UpdateSearchRequest* request,
                                                          v1::UpdateSearchResponse* response) {
  const Call call = entrance_.Begin(context, "UpdateSearch");
  if (call.refused()) return call.reactor();
  const v1::Sharing& sharing = request->sharing();
  if (const absl::Status status = CheckSharing(sharing); !status.ok()) {
    call.Finish(status);
    return call.reactor();
  }
  SharingUpdate update;
  if (sharing.has_weight()) update.weight = sharing.weight();
  if (sharing.has_priority()) update.priority = sharing.priority();
  if (sharing.has_max_running()) update.max_running = sharing.max_running();
  entrance_.InTurn(call, context, [this, request, response, update](const Call& begun) {
    engine_.UpdateSearch(request->name(), update, AnswerWithSearch(begun, response, specs_));
  });
  return call.reactor();
}

grpc::ServerUnaryReactor* SearchServiceImpl::DeleteSearch(grpc::CallbackServerContext* context,
                                                          const v1::DeleteSearchRequest* request,
                                                          v1::DeleteSearchResponse*) {
  const Call call = entrance_.Begin(context, "DeleteSearch");
  if (call.refused()) return call.reactor();
  entrance_.InTurn(call, context, [this, request](const Call& begun) {
    engine_.DeleteSearch(request->name(),
                         [begun](const absl::StatusOr<SearchView>& view) { begun.Finish(view.status()); });
  });
  return call.reactor();
}

grpc::ServerUnaryReactor* SearchServiceImpl::ListCandidates(grpc::CallbackServerContext* context,
                                                            const v1::ListCandidatesRequest* request,
                                                            v1::ListCandidatesResponse* response) {
  const Call call = entrance_.Begin(context, "ListCandidates");
  if (call.refused()) return call.reactor();
  const absl::StatusOr<std::size_t> size = PageSize(request->page_size());
  const absl::StatusOr<std::uint64_t> after = ParsePageToken(request->page_token(), 0);
  absl::Status status = size.ok() ? after.status() : size.status();
  std::set<core::CandidateState> states;
  if (request->states_size() > kMaxStates) {
    status = absl::InvalidArgumentError(absl::StrCat("states: must have at most ", kMaxStates));
  }
  for (int i = 0; status.ok() && i < request->states_size(); ++i) {
    if (const auto state = FromWire(request->states(i))) {
      states.insert(*state);
    } else {
      status = absl::InvalidArgumentError(absl::StrCat("states[", i, "]: is not a known state"));
    }
  }
  if (!status.ok()) {
    call.Finish(status);
    return call.reactor();
  }
  entrance_.InTurn(
      call, context,
      [this, request, response, states = std::move(states), after = *after, size = *size](const Call& begun) {
        engine_.ListCandidates(request->parent(), states, after, size,
                               [call = begun, response, specs = specs_](const absl::StatusOr<CandidatePage>& page) {
                                 if (page.ok()) {
                                   const auto spec = specs->Get(page->search.spec);
                                   const std::span<const core::Candidate> rows = page->page.items;
                                   const std::size_t taken =
                                       FillPage(rows, *response->mutable_candidates(), [&](const core::Candidate& row) {
                                         return ToWire(row, spec->spec(), page->search.name);
                                       });
                                   const auto next = taken < rows.size() ? rows[taken - 1].number : page->page.next;
                                   if (next) response->set_next_page_token(FormatPageToken(*next));
                                 }
                                 call.Finish(page.status());
                               });
      });
  return call.reactor();
}

grpc::ServerUnaryReactor* SearchServiceImpl::GetTaskLog(grpc::CallbackServerContext* context,
                                                        const v1::GetTaskLogRequest* request,
                                                        v1::GetTaskLogResponse* response) {
  const Call call = entrance_.Begin(context, "GetTaskLog");
  if (call.refused()) return call.reactor();
  if (request->attempt() < 0) {
    call.Finish(absl::InvalidArgumentError("attempt: must be at least 1, or 0 for the latest"));
    return call.reactor();
  }
  entrance_.InTurn(call, context, [this, request, response](const Call& begun) {
    engine_.GetTaskLog(request->name(), request->attempt(),
                       [call = begun, response](const absl::StatusOr<TaskLogView>& view) {
                         if (view.ok()) Fill(*view, *response);
                         call.Finish(view.status());
                       });
  });
  return call.reactor();
}

grpc::ServerUnaryReactor* SearchServiceImpl::GetFrontier(grpc::CallbackServerContext* context,
                                                         const v1::GetFrontierRequest* request,
                                                         v1::GetFrontierResponse* response) {
  const Call call = entrance_.Begin(context, "GetFrontier");
  if (call.refused()) return call.reactor();
  const absl::StatusOr<std::size_t> size = PageSize(request->page_size(), kMostPoints);
  // The token contains the bits of the last point's cost.
  const absl::StatusOr<std::uint64_t> after = ParsePageToken(request->page_token(), 0);
  if (!size.ok() || !after.ok()) {
    call.Finish(size.ok() ? after.status() : size.status());
    return call.reactor();
  }
  const bool is_first = request->page_token().empty();
  const double above = is_first ? -std::numeric_limits<double>::infinity() : std::bit_cast<double>(*after);
  entrance_.InTurn(call, context, [this, request, response, is_first, above, size = *size](const Call& begun) {
    engine_.GetFrontier(
        request->name(), above, size,
        [call = begun, response, is_first, specs = specs_](const absl::StatusOr<FrontierView>& view) {
          if (view.ok()) {
            const auto spec = specs->Get(view->search.spec);
            if (is_first) AddBest(view->search, spec->spec(), *response->mutable_best());
            const std::span<const PointView> points = view->points;
            const std::size_t taken = FillPage(
                points, *response->mutable_points(),
                [&](const PointView& point) { return ToFrontierPoint(point, spec->spec(), view->search.name); },
                response->ByteSizeLong());
            if (taken < points.size() || view->has_more) {
              response->set_next_page_token(
                  FormatPageToken(std::bit_cast<std::uint64_t>(points[taken - 1].standing.cost)));
            }
          }
          call.Finish(view.status());
        });
  });
  return call.reactor();
}

grpc::ServerUnaryReactor* SearchServiceImpl::GetBuckets(grpc::CallbackServerContext* context,
                                                        const v1::GetBucketsRequest* request,
                                                        v1::GetBucketsResponse* response) {
  const Call call = entrance_.Begin(context, "GetBuckets");
  if (call.refused()) return call.reactor();
  const absl::StatusOr<std::size_t> size = PageSize(request->page_size(), std::numeric_limits<std::size_t>::max());
  const absl::StatusOr<BucketPlace> after =
      ParseBucketToken(request->page_token(), {request->pass(), request->stage()});
  if (!size.ok() || !after.ok()) {
    call.Finish(size.ok() ? after.status() : size.status());
    return call.reactor();
  }
  entrance_.InTurn(call, context, [this, request, response, after = *after, size = *size](const Call& begun) {
    engine_.GetBuckets(
        request->name(), after.position,
        [call = begun, response, size, after = after.bucket, specs = specs_](const absl::StatusOr<BucketsView>& view) {
          if (view.ok()) {
            const auto spec = specs->Get(view->search.spec);
            std::span<const BucketView> rest = view->buckets;
            while (!rest.empty() && rest.front().bucket <= after) rest = rest.subspan(1);
            const std::size_t taken =
                FillPage(rest.first(std::min(size, rest.size())), *response->mutable_buckets(),
                         [&](const BucketView& bucket) { return ToWire(bucket, spec->spec(), view->search.name); });
            if (taken < rest.size()) {
              const BucketView& last = rest[taken - 1];
              response->set_next_page_token(FormatBucketToken({last.position, last.bucket}));
            }
          }
          call.Finish(view.status());
        });
  });
  return call.reactor();
}

}  // namespace layernas
