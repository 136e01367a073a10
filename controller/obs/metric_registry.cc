#include "controller/obs/metric_registry.h"

#include <prometheus/check_names.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace kiln::obs {
namespace {

prometheus::Labels pair_up(const std::vector<std::string>& names, LabelValues values) {
  if (names.size() != values.size())
    throw std::logic_error("a metric has " + std::to_string(names.size()) + " labels, not " +
                           std::to_string(values.size()));
  prometheus::Labels labels;
  auto value = values.begin();
  for (const auto& name : names) labels.emplace(name, *value++);
  return labels;
}

Declaration declaration(std::string_view name, std::string_view type, std::string_view help,
                        const std::vector<std::string>& labels) {
  Declaration one;
  one.name = name;
  one.type = type;
  one.labels = labels;
  one.help = help;
  return one;
}

template <class Builder>
auto& family(Builder builder, prometheus::Registry& library, std::string_view name,
             std::string_view help) {
  return builder.Name(std::string(name)).Help(std::string(help)).Register(library);
}

bool in_order(const prometheus::ClientMetric& a, const prometheus::ClientMetric& b) {
  const auto key = [](const prometheus::ClientMetric::Label& label) {
    return std::tie(label.name, label.value);
  };
  return std::lexicographical_compare(
      a.label.begin(), a.label.end(), b.label.begin(), b.label.end(),
      [&](const auto& x, const auto& y) { return key(x) < key(y); });
}

}  // namespace

MetricRegistry::MetricRegistry()
    : library_(
          std::make_unique<prometheus::Registry>(prometheus::Registry::InsertBehavior::Throw)) {}

MetricRegistry::~MetricRegistry() = default;

void MetricRegistry::declare(Declaration declaration) {
  const auto same = [&](const Declaration& other) { return other.name == declaration.name; };
  if (std::any_of(declarations_.begin(), declarations_.end(), same))
    throw std::logic_error("two metrics are called " + declaration.name);
  if (!prometheus::CheckMetricName(declaration.name))
    throw std::logic_error("a metric cannot be called " + declaration.name);
  for (const auto& label : declaration.labels)
    if (!prometheus::CheckLabelName(label))
      throw std::logic_error("a label cannot be called " + label);
  declarations_.push_back(std::move(declaration));
}

void MetricRegistry::add_refresh(std::function<void()> refresh) {
  refreshers_.push_back(std::move(refresh));
}

std::string MetricRegistry::text() const {
  for (const auto& refresh : refreshers_) refresh();
  auto families = library_->Collect();
  std::sort(families.begin(), families.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  for (auto& one : families) std::sort(one.metric.begin(), one.metric.end(), in_order);
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return std::move(out).str();
}

Counter::Counter(MetricRegistry& registry, std::string_view name, std::string_view help,
                 std::vector<std::string> labels)
    : labels_((registry.declare(declaration(name, "counter", help, labels)), std::move(labels))),
      family_(family(prometheus::BuildCounter(), *registry.library_, name, help)) {
  if (labels_.empty()) start({});
}

void Counter::add(LabelValues labels, double by) {
  family_.Add(pair_up(labels_, labels)).Increment(by);
}

void Counter::raise_to(LabelValues labels, double total) {
  auto& counter = family_.Add(pair_up(labels_, labels));
  counter.Increment(std::max(total - counter.Value(), 0.0));
}

double Counter::value(LabelValues labels) const {
  const auto named = pair_up(labels_, labels);
  return family_.Has(named) ? family_.Add(named).Value() : 0;
}

Gauge::Gauge(MetricRegistry& registry, std::string_view name, std::string_view help,
             std::vector<std::string> labels)
    : labels_((registry.declare(declaration(name, "gauge", help, labels)), std::move(labels))),
      family_(family(prometheus::BuildGauge(), *registry.library_, name, help)) {
  if (labels_.empty()) set({}, 0);
}

void Gauge::set(LabelValues labels, double value) {
  family_.Add(pair_up(labels_, labels)).Set(value);
}

double Gauge::value(LabelValues labels) const {
  const auto named = pair_up(labels_, labels);
  return family_.Has(named) ? family_.Add(named).Value() : 0;
}

Histogram::Histogram(MetricRegistry& registry, std::string_view name, std::string_view help,
                     std::vector<double> bounds, std::vector<std::string> labels)
    : labels_((registry.declare(declaration(name, "histogram", help, labels)), std::move(labels))),
      bounds_(std::move(bounds)),
      family_(family(prometheus::BuildHistogram(), *registry.library_, name, help)) {
  if (labels_.empty()) start({});
}

void Histogram::start(LabelValues labels) {
  family_.Add(pair_up(labels_, labels), bounds_);
}

void Histogram::observe(LabelValues labels, double value) {
  family_.Add(pair_up(labels_, labels), bounds_).Observe(value);
}

std::uint64_t Histogram::count(LabelValues labels) const {
  const auto named = pair_up(labels_, labels);
  if (!family_.Has(named)) return 0;
  return family_.Add(named, bounds_).Collect().histogram.sample_count;
}

double Histogram::sum(LabelValues labels) const {
  const auto named = pair_up(labels_, labels);
  if (!family_.Has(named)) return 0;
  return family_.Add(named, bounds_).Collect().histogram.sample_sum;
}

std::vector<double> exponential_bounds(double first, double factor, int count) {
  std::vector<double> bounds;
  for (double bound = first; count > 0; --count, bound *= factor) bounds.push_back(bound);
  return bounds;
}

}  // namespace kiln::obs
