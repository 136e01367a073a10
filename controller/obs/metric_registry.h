#pragma once
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// The library is named in metric_registry.cc and nowhere else.
namespace prometheus {
template <typename T>
class Family;
class Counter;
class Gauge;
class Histogram;
class Registry;
}  // namespace prometheus

namespace kiln::obs {

/// What a metric is called and means: for /metrics, the documentation and the test of both.
struct Declaration {
  std::string name;
  std::string type;  ///< "counter", "gauge", "histogram"
  std::vector<std::string> labels;
  std::string help;
};

/// Values of a metric's labels, in the order of the declaration. They come from the code (an enum,
/// a table) or from flags, never from a user's object: one user could make millions of them.
using LabelValues = std::initializer_list<std::string_view>;

/// Holds metrics and writes them as text. Threads: any, but for add_refresh(); text() calls the
/// refreshers on the caller's thread.
class MetricRegistry {
 public:
  MetricRegistry();
  ~MetricRegistry();
  MetricRegistry(const MetricRegistry&) = delete;
  MetricRegistry& operator=(const MetricRegistry&) = delete;

  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

  /// Calls the refreshers, then writes all metrics, sorted. Source: Prometheus' text format 0.0.4.
  std::string text() const;
  /// For what is known elsewhere and only copied here: called before each text().
  void add_refresh(std::function<void()> refresh);
  /// In the order of declaration.
  const std::vector<Declaration>& declarations() const { return declarations_; }

 private:
  friend class Counter;
  friend class Gauge;
  friend class Histogram;
  /// Throws std::logic_error for a name that is taken, or that Prometheus does not allow.
  void declare(Declaration declaration);

  std::unique_ptr<prometheus::Registry> library_;
  std::vector<Declaration> declarations_;
  std::vector<std::function<void()>> refreshers_;
};

/// Counts upwards; its name ends in _total. Without labels it is there from the beginning, with
/// labels once a combination was named: start(…) names those that are known beforehand, so that
/// a first failure is a rise and not a beginning.
/// All calls: as many label values as declared labels; anything else throws std::logic_error.
class Counter {
 public:
  Counter(MetricRegistry& registry, std::string_view name, std::string_view help,
          std::vector<std::string> labels = {});

  void start(LabelValues labels) { add(labels, 0); }
  void add(LabelValues labels = {}, double by = 1);
  /// For a count that is kept elsewhere: raises this one to it. It never falls.
  void raise_to(LabelValues labels, double total);
  double value(LabelValues labels = {}) const;

 private:
  std::vector<std::string> labels_;
  prometheus::Family<prometheus::Counter>& family_;
};

/// Goes up and down.
class Gauge {
 public:
  Gauge(MetricRegistry& registry, std::string_view name, std::string_view help,
        std::vector<std::string> labels = {});

  void set(LabelValues labels, double value);
  double value(LabelValues labels = {}) const;

 private:
  std::vector<std::string> labels_;
  prometheus::Family<prometheus::Gauge>& family_;
};

/// How often a measured value was at most each of some bounds, how often at all, and the sum.
class Histogram {
 public:
  Histogram(MetricRegistry& registry, std::string_view name, std::string_view help,
            std::vector<double> bounds, std::vector<std::string> labels = {});

  void start(LabelValues labels);
  void observe(LabelValues labels, double value);
  std::uint64_t count(LabelValues labels = {}) const;
  double sum(LabelValues labels = {}) const;

 private:
  std::vector<std::string> labels_;
  std::vector<double> bounds_;
  prometheus::Family<prometheus::Histogram>& family_;
};

/// `count` bounds from `first` on, each `factor` times the one before.
std::vector<double> exponential_bounds(double first, double factor, int count);

}  // namespace kiln::obs
