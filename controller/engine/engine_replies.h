// How commands of the engine answer: the templates that its source files share.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "controller/engine/engine.h"

namespace layernas {

inline absl::Status SearchWasDeleted() { return absl::NotFoundError("the search was deleted"); }
inline absl::Status Draining() { return absl::UnavailableError("the controller is shutting down"); }

template <typename T>
void Engine::Answer(const Reply<T>& reply, absl::StatusOr<T> value) {
  answers_.push_back([reply, value = std::move(value)] { reply(value); });
}

template <typename T>
void Engine::OnSearch(std::string name, Reply<T> reply, std::function<absl::StatusOr<T>(Entry&)> command) {
  Submit([this, name = std::move(name), reply = std::move(reply), command = std::move(command)] {
    const absl::StatusOr<Entry*> entry = Find(name);
    Answer<T>(reply, entry.ok() ? command(**entry) : entry.status());
  });
}

template <typename T>
void Engine::ReadSearch(std::string name, Reply<T> reply,
                        std::function<absl::StatusOr<T>(std::uint64_t id, SearchView view)> read) {
  Submit([this, name = std::move(name), reply = std::move(reply), read = std::move(read)] {
    const absl::StatusOr<Entry*> entry = Find(name);
    if (!entry.ok()) {
      Answer<T>(reply, entry.status());
      return;
    }
    answers_.push_back([this, reply, read, id = (*entry)->stored.id] {
      // After the commit, so that the view's sequence number is on the disk.
      const auto committed = searches_.find(id);
      if (committed == searches_.end()) {
        reply(SearchWasDeleted());
        return;
      }
      reader_.Post([reply, read, id, view = MakeView(committed->second)] { reply(read(id, view)); });
    });
  });
}

}  // namespace layernas
