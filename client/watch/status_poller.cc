#include "client/watch/status_poller.h"

#include <utility>

#include "client/watch/watch_state.h"

namespace layernas::client {
namespace {

constexpr Millis kInterval{1000};
// The fleet changes slowly and is large, so it is polled less often.
constexpr int kFleetEvery = 5;
constexpr std::chrono::seconds kDeadline{2};

}  // namespace

StatusPoller::StatusPoller(ControllerConnection& connection, std::string name, WatchView& view)
    : connection_(connection), name_(std::move(name)), view_(view), thread_([this] { Poll(); }) {}

StatusPoller::~StatusPoller() {
  ended_.Request();
  thread_.join();
}

std::optional<Fleet> StatusPoller::CountFleet() {
  Fleet fleet;
  v1::ListWorkersRequest page;
  page.set_page_size(1000);
  do {
    const auto workers = connection_.Call(&v1::FleetService::Stub::ListWorkers, page, kDeadline);
    if (!workers.ok()) return std::nullopt;
    for (const v1::WorkerStatus& worker : workers->workers()) {
      ++fleet.workers;
      fleet.slots += worker.info().slots();
      fleet.busy += worker.candidates_size();
      if (worker.has_shunned_for()) ++fleet.shunned;
    }
    page.set_page_token(workers->next_page_token());
  } while (!page.page_token().empty());
  return fleet;
}

void StatusPoller::Poll() {
  Fleet fleet;
  for (int turn = 0; !ended_.WaitFor(turn == 0 ? Millis(0) : kInterval); ++turn) {
    v1::GetSearchRequest request;
    request.set_name(name_);
    const auto search = connection_.Call(&v1::SearchService::Stub::GetSearch, request, kDeadline);
    if (turn % kFleetEvery == 0) {
      if (const std::optional<Fleet> counted = CountFleet()) fleet = *counted;
    }
    if (search.ok()) view_.Status(search->search(), fleet);
  }
}

}  // namespace layernas::client
