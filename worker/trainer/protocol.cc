#include "worker/trainer/protocol.h"

#include <cmath>
#include <istream>
#include <limits>
#include <new>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <utility>

#include "worker/trainer/errors.h"

namespace layernas::trainer {
namespace {

constexpr std::streamsize kMaxLineBytes = 4 << 20;

// Returns false at the end of the stream. If a line is too long, skips it and throws MachineError.
bool ReadLine(std::istream& in, std::string& line) {
  line.clear();
  for (std::streambuf* buffer = in.rdbuf();;) {
    const int next = buffer->sbumpc();
    if (next == std::char_traits<char>::eof()) {
      in.setstate(std::ios::eofbit);
      return !line.empty();
    }
    if (next == '\n') return true;
    if (static_cast<std::streamsize>(line.size()) == kMaxLineBytes) {
      in.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
      throw MachineError("the request is longer than " + std::to_string(kMaxLineBytes) + " bytes");
    }
    line.push_back(static_cast<char>(next));
  }
}

void WriteLine(std::ostream& out, const nlohmann::json& message) {
  // Replaces invalid UTF-8, which may be part of a name, because there must be an answer.
  out << message.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
}

nlohmann::json ParseLine(const std::string& line) {
  try {
    return nlohmann::json::parse(line);
  } catch (const nlohmann::json::exception& error) {
    throw MachineError(std::string("the request is not JSON: ") + error.what());
  }
}

nlohmann::json Failure(const char* kind, const std::string& message) {
  return {{"failure", {{"kind", kind}, {"message", message}}}};
}

// Returns the request's task, if it names one. Each line of the answer repeats it.
nlohmann::json TaskOf(const nlohmann::json& message) {
  const auto found = message.is_object() ? message.find("evaluate") : message.end();
  if (found == message.end() || !found->is_object()) return nullptr;
  const nlohmann::json task = found->value("task", nlohmann::json());
  return task.is_string() ? task : nullptr;
}

nlohmann::json With(const nlohmann::json& task, nlohmann::json answer) {
  if (!task.is_null()) answer["task"] = task;
  return answer;
}

nlohmann::json ProgressBody(const Progress& progress) {
  if (progress.loading) return {{"loading", {{"done", progress.loading->done}, {"of", progress.loading->images}}}};
  return {{"epoch", progress.epoch}, {"epochs", progress.epochs}, {"reward", progress.reward}};
}

// A value that is not finite becomes null, because JSON has no other word for it.
nlohmann::json MetricsBody(const Metrics& metrics) {
  nlohmann::json body = nlohmann::json::object();
  for (const auto& [name, value] : metrics) {
    body[name] = std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
  }
  return body;
}

// Returns the line that answers `message`. Meanwhile writes progress to `out`.
nlohmann::json Answer(const nlohmann::json& message, std::ostream& out, std::ostream& log,
                      const EvaluateFunction& evaluate) {
  const EvaluateRequest request = ParseRequest(message);
  log << (!request.is_trained    ? "measuring "
          : !request.is_measured ? "training "
                                 : "evaluating ")
      << (request.task.empty() ? "a task without a name" : request.task) << std::endl;
  const EvaluationResult result = evaluate(request, [&](const Progress& progress) {
    WriteLine(out, With(TaskOf(message), {{"progress", ProgressBody(progress)}}));
  });
  nlohmann::json body = {{"metrics", MetricsBody(result.metrics)}};
  if (result.weights) {
    body["weights"] = {
        {"path", result.weights->path}, {"sha256", result.weights->sha256}, {"bytes", result.weights->bytes}};
  }
  return {{"result", body}};
}

}  // namespace

void ServeRequests(std::istream& in, std::ostream& out, std::ostream& log, const EvaluateFunction& evaluate) {
  bool may_go_on = true;
  while (may_go_on && in && out) {
    nlohmann::json answer;
    nlohmann::json task;
    try {
      std::string line;
      if (!ReadLine(in, line)) return;
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      const nlohmann::json message = ParseLine(line);
      task = TaskOf(message);
      answer = Answer(message, out, log, evaluate);
    } catch (const InfeasibleError& error) {
      answer = Failure("infeasible", error.what());
    } catch (const DataMemoryError& error) {
      answer = Failure("out_of_memory", error.what());
      answer["failure"]["of"] = "data";
    } catch (const MemoryError& error) {
      answer = Failure("out_of_memory", error.what());
    } catch (const std::bad_alloc&) {
      // The memory is for the request or the answer; Evaluate() throws MemoryError instead.
      answer = Failure("out_of_memory", "out of memory while reading the request or writing the answer");
    } catch (const LostGpuError& error) {
      answer = Failure("retry", error.what());
      may_go_on = false;
    } catch (const std::exception& error) {
      answer = Failure("retry", error.what());
    }
    if (answer.contains("failure")) log << "failed: " << answer["failure"]["message"].get<std::string>() << std::endl;
    WriteLine(out, With(task, std::move(answer)));
  }
}

}  // namespace layernas::trainer
