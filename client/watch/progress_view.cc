#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/output/search_text.h"
#include "client/output/table.h"
#include "client/watch/progress_text.h"
#include "client/watch/watch_view.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace layernas::client {
namespace {

// A shorter interval would flicker; with a longer one, the clock would seem to stop.
constexpr Millis kRedrawInterval{250};

class ProgressView : public WatchView {
 public:
  explicit ProgressView(const Terminal& terminal) : terminal_(terminal), redraw_([this] { RedrawUntilEnd(); }) {}
  ~ProgressView() override { Stop(); }

  void Show(const v1::WatchSearchResponse& change) override {
    const MutexLock lock(mutex_);
    state_.Apply(change);
  }

  bool WantsStatus() const override { return true; }

  void Status(const v1::Search& search, const Fleet& fleet) override {
    const MutexLock lock(mutex_);
    state_.Apply(search, fleet);
  }

  void Notice(const std::string& text) override {
    const MutexLock lock(mutex_);
    Erase();
    terminal_.out << terminal_.Shown(text) << '\n';
    Draw();
  }

  bool OutputLost() override {
    const MutexLock lock(mutex_);
    return !terminal_.out.good();
  }

  void End() override { Stop(); }

 private:
  void RedrawUntilEnd() {
    const MutexLock lock(mutex_);
    while (!ended_) {
      Erase();
      Draw();
      ended_changed_.WaitFor(mutex_, kRedrawInterval);
    }
    Erase();
    Draw();
  }

  void Stop() {
    {
      const MutexLock lock(mutex_);
      ended_ = true;
      ended_changed_.NotifyAll();
    }
    if (redraw_.joinable()) redraw_.join();
  }

  void Erase() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    // Move up to our first line and clear to the end of the screen.
    if (drawn_ > 0) terminal_.out << absl::StrCat("\x1b[", drawn_, "A\r\x1b[J");
    drawn_ = 0;
  }

  void Draw() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!state_.search().name().empty()) {
      std::vector<ProgressLine> lines =
          ProgressLines(state_, std::chrono::system_clock::now(), terminal_.Columns(), terminal_.unicode);
      // The cursor cannot move above the first row, so only what fits can be drawn again. The last
      // drawing stays.
      if (!ended_) FitInto(terminal_.Rows() - 1, terminal_.unicode, lines);
      for (const ProgressLine& line : lines) {
        terminal_.out << ToText(line, terminal_.color) << '\n';
        ++drawn_;
      }
    }
    terminal_.out.flush();
  }

  const Terminal terminal_;
  Mutex mutex_;
  CondVar ended_changed_;
  WatchState state_ ABSL_GUARDED_BY(mutex_);
  int drawn_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread redraw_;
};

}  // namespace

std::unique_ptr<WatchView> MakeProgressView(const Terminal& terminal) {
  return std::make_unique<ProgressView>(terminal);
}

}  // namespace layernas::client
