#include "worker/trainer/shapes10.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "common/base/random.h"

namespace layernas::trainer {
namespace {

constexpr int kSize = 32;
constexpr double kPi = 3.14159265358979323846;

// A shape is the set of points for which its function returns true, approximately within the unit
// circle.
using Covers = bool (*)(double x, double y);

bool InBox(double x, double y, double half_width, double half_height) {
  return std::abs(x) <= half_width && std::abs(y) <= half_height;
}

// An equilateral triangle with corners on the unit circle, one of them on top.
bool InTriangle(double x, double y) { return y >= -0.5 && y <= 1 - std::sqrt(3.0) * std::abs(x); }

// A star with five points. The angle is folded into one half of a point, whose edge is a straight
// line.
bool InStar(double x, double y) {
  const double sector = 2 * kPi / 5;
  double angle = std::fmod(std::atan2(x, y) + 2 * kPi, sector);
  angle = std::min(angle, sector - angle);
  const double radius = std::hypot(x, y);
  constexpr double kInner = 0.42;
  const double ex = kInner * std::sin(sector / 2);
  const double ey = kInner * std::cos(sector / 2);
  // True inside of the edge from (0, 1) to (ex, ey).
  return ex * (1 - radius * std::cos(angle)) - (1 - ey) * radius * std::sin(angle) >= 0;
}

constexpr std::array<Covers, kShapes10Classes> kShapes = {
    // Disc.
    [](double x, double y) { return x * x + y * y <= 0.75; },
    // Ring.
    [](double x, double y) { return x * x + y * y <= 0.85 && x * x + y * y >= 0.28; },
    // Square.
    [](double x, double y) { return InBox(x, y, 0.72, 0.72); },
    // Frame.
    [](double x, double y) { return InBox(x, y, 0.76, 0.76) && !InBox(x, y, 0.42, 0.42); },
    // Triangle.
    InTriangle,
    // Cross.
    [](double x, double y) { return InBox(x, y, 0.9, 0.3) || InBox(x, y, 0.3, 0.9); },
    // Star.
    InStar,
    // Crescent.
    [](double x, double y) { return x * x + y * y <= 0.85 && (x - 0.45) * (x - 0.45) + y * y >= 0.5; },
    // Two bars.
    [](double x, double y) { return InBox(x, std::abs(y) - 0.5, 0.8, 0.24); },
    // Angle.
    [](double x, double y) { return InBox(x + 0.5, y, 0.26, 0.8) || InBox(x, y + 0.54, 0.76, 0.26); },
};

using Colour = std::array<double, 3>;

class Painter {
 public:
  Painter(RandomStream random, int size) : random_(random), size_(size), scale_(static_cast<double>(kSize) / size) {}

  void Paint(Covers covers, std::uint8_t* pixels) {
    Texture ground = DrawTexture();
    Texture figure = DrawTexture();
    // The shape must be brighter than the ground.
    while (Brightness(figure.colour) - Brightness(ground.colour) < 50) {
      figure.colour = DrawColour();
      ground.colour = DrawColour();
    }

    const double angle = Between(-0.6, 0.6);
    const double radius = Between(8, 13);
    const double room = kSize / 2.0 - 0.8 * radius;
    const double center_x = kSize / 2.0 + Between(-room, room);
    const double center_y = kSize / 2.0 + Between(-room, room);
    const double stretch = Between(0.8, 1.25);
    const double cosine = std::cos(angle) / radius;
    const double sine = std::sin(angle) / radius;

    // Draws a bar of a third colour across the picture, near the shape.
    const Colour bar_colour = DrawColour();
    const double bar_angle = Between(0, kPi);
    const double bar_x = std::cos(bar_angle);
    const double bar_y = std::sin(bar_angle);
    const double bar_offset = bar_x * center_x + bar_y * center_y + Between(-1, 1) * radius;
    const double bar_half = Between(0.6, 1.6);
    const double noise = Between(5, 20);

    for (int row = 0; row < size_; ++row) {
      for (int column = 0; column < size_; ++column) {
        // Four samples per pixel smooth the edges.
        int covered = 0;
        for (const double down : {0.25, 0.75}) {
          for (const double right : {0.25, 0.75}) {
            const double x = (column + right) * scale_ - center_x;
            const double y = (row + down) * scale_ - center_y;
            covered += covers((cosine * x + sine * y) * stretch, (cosine * y - sine * x) / stretch) ? 1 : 0;
          }
        }
        const double part = covered / 4.0;
        const double across = column * scale_;
        const double along = row * scale_;
        const double figure_wave = Wave(figure, across, along);
        const double ground_wave = Wave(ground, across, along);
        const bool in_bar = std::abs(bar_x * across + bar_y * along - bar_offset) < bar_half;
        for (std::size_t c = 0; c < 3; ++c) {
          double value = part * (figure.colour[c] + figure_wave) + (1 - part) * (ground.colour[c] + ground_wave);
          if (in_bar) value = bar_colour[c];
          value += noise * Bell();
          *pixels++ = static_cast<std::uint8_t>(std::clamp(std::lround(value), 0L, 255L));
        }
      }
    }
  }

 private:
  // A colour with a wave of brightness over it.
  struct Texture {
    Colour colour;
    double amplitude, frequency_x, frequency_y, phase;
  };

  double Between(double low, double high) { return low + (high - low) * random_.Uniform(); }

  // Approximately normal with standard deviation 1: the sum of four uniform numbers from one draw.
  double Bell() {
    const std::uint64_t draw = random_.Next();
    const double sum =
        static_cast<double>((draw & 0xffff) + (draw >> 16 & 0xffff) + (draw >> 32 & 0xffff) + (draw >> 48));
    return (sum / 65536.0 - 2) * std::sqrt(3.0);
  }

  Colour DrawColour() { return {Between(20, 235), Between(20, 235), Between(20, 235)}; }

  Texture DrawTexture() {
    const double angle = Between(0, 2 * kPi);
    const double frequency = Between(0.15, 1.2);
    return {DrawColour(), Between(0, 25), frequency * std::cos(angle), frequency * std::sin(angle),
            Between(0, 2 * kPi)};
  }

  static double Brightness(const Colour& colour) { return (colour[0] + colour[1] + colour[2]) / 3; }

  static double Wave(const Texture& texture, double x, double y) {
    return texture.amplitude * std::sin(texture.frequency_x * x + texture.frequency_y * y + texture.phase);
  }

  RandomStream random_;
  const int size_;
  // Converts pixels to the 32x32 plane in which everything is drawn.
  const double scale_;
};

std::vector<Label> TakeTurns(int count) {
  std::vector<Label> labels(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<Label>(i % kShapes10Classes);
  return labels;
}

class Shapes10 final : public ImageSource {
 public:
  Shapes10(std::uint64_t seed, int count, int size) : ImageSource({3, size, size}, TakeTurns(count)), seed_(seed) {}

  std::string Read(std::size_t index, std::uint8_t* out) const override {
    Painter(RandomStream({seed_, index}), shape().height).Paint(kShapes[labels()[index]], out);
    return "";
  }

 private:
  const std::uint64_t seed_;
};

}  // namespace

std::unique_ptr<ImageSource> MakeShapes10(std::initializer_list<std::uint64_t> key, int count, int size) {
  return std::make_unique<Shapes10>(MixKey(key), count, size);
}

}  // namespace layernas::trainer
