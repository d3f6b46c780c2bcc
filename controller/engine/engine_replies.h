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
void Engine::Answer(Reply<T> reply, absl::StatusOr<T> value) {
  answers_.push_back([reply = std::move(reply), value = std::move(value)]() mutable { reply(std::move(value)); });
}

template <typename T>
void Engine::OnSearch(std::string name, Reply<T> reply, std::function<absl::StatusOr<T>(Entry&)> command) {
  Submit([this, name = std::move(name), reply = std::move(reply), command = std::move(command)]() mutable {
    const absl::StatusOr<Entry*> entry = Find(name);
    Answer<T>(std::move(reply), entry.ok() ? command(**entry) : entry.status());
  });
}

template <typename T>
void Engine::ReadSearch(std::string name, Reply<T> reply,
                        std::function<absl::StatusOr<T>(std::uint64_t id, SearchView view)> read) {
  Submit([this, name = std::move(name), reply = std::move(reply), read = std::move(read)]() mutable {
    const absl::StatusOr<Entry*> found = Find(name);
    if (!found.ok()) {
      Answer<T>(std::move(reply), found.status());
      return;
    }
    const std::uint64_t search = (*found)->stored.id;
    AtEndOfTurn(search, [this, search, reply = std::move(reply), read = std::move(read)](const Entry* entry) {
      if (entry == nullptr) {
        Answer<T>(reply, SearchWasDeleted());
        return;
      }
      // As an answer, so that the view's sequence number is on the disk by then.
      answers_.push_back([this, search, reply, read, view = MakeView(*entry)] {
        reader_.Post([search, reply, read, view] { reply(read(search, view)); });
      });
    });
  });
}

}  // namespace layernas
