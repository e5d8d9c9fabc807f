// Translates dates in words into ISO dates, character by character, by two networks: a GRU reads the words, and hands
// its hidden state to another, which writes. Both learn together: the gradient goes back through the state.
//
//     h_0 = GRU(characters of the words),  h_t = GRU(h_<t-1>, character t),  P(character t+1) = softmax(V h_t + c)
//
// While they learn, the second reads what it should have written; then, what it wrote. Beside them: the date of that
// text, of all that they have learnt from, whose beginning and end have most in common with it.
#include <recur/recur.hpp>

#include "bar.hpp"
#include "dates.hpp"

#include <cstring>

using recur::Index;
const std::string letters = " ,.0123456789abcdefghijklmnopqrstuvwxyz", signs = "-0123456789^";  // ^ begins a date
constexpr Index units = 128, iso_length = 10;
int code(const std::string& alphabet, char c) { return static_cast<int>(alphabet.find(c)); }

/// One model, to the optimiser: see base/parameters.hpp.
struct Translator {
  using Scalar = float;
  recur::Gru<float> reader{std::ssize(letters), units};
  recur::Sequence<recur::Gru<float>, recur::Readout<float>> writer{{std::ssize(signs), units},
                                                                   {units, std::ssize(signs), {.bias = true}}};
  static void visit(auto&& f, const recur::Name& name, auto&... models) {
    recur::visit(f, recur::Name(name, "reader"), models.reader...);
    recur::visit(f, recur::Name(name, "writer"), models.writer...);
  }
  static void visit_layers(auto& model, auto&& f) { f(model.reader), f(model.writer); }
};

/// What the reader reads; what the writer reads, and what it is to write.
struct Batch {
  recur::Tokens words, before;
  recur::Classes after;
  explicit Batch(const std::vector<Date>& all)
      : before(std::ssize(all), iso_length), after(before.batch(), iso_length) {
    std::vector<Index> lengths;
    for (const Date& each : all) lengths.push_back(std::ssize(each.words));
    words.resize(before.batch(), *std::max_element(lengths.begin(), lengths.end()));
    for (Index n = 0; n < words.batch(); ++n) {
      const Date& date = all[std::size_t(n)];
      for (Index t = 0; t < words.steps(); ++t)
        words(n, t) = t < std::ssize(date.words) ? code(letters, date.words[std::size_t(t)]) : 0;
      for (Index t = 0; t < iso_length; ++t) after(n, t) = code(signs, date.iso[std::size_t(t)]);
      for (Index t = 0; t < iso_length; ++t) before(n, t) = t == 0 ? code(signs, '^') : after(n, t - 1);
    }
    words.set_lengths(std::move(lengths));
  }
};

/// The likeliest character, again and again.
std::string translate(const Translator& net, const std::string& words) {
  recur::Stream reader(net.reader);
  recur::Stream writer(net.writer);
  for (const char c : words) reader.step(recur::Token{code(letters, c)});
  writer.reset({reader.state(), {}});
  std::string iso;
  for (char last = '^'; std::ssize(iso) < iso_length; iso += last) {
    Index likeliest = 0;
    writer.step(recur::Token{code(signs, last)}).maxCoeff(&likeliest);
    last = signs[std::size_t(likeliest)];
  }
  return iso;
}

int main(int argc, char** argv) try {
  const bool brief = argc > 1 && std::strcmp(argv[1], "--short") == 0;
  const Index steps = brief ? 30 : 3000;
  std::mt19937 rng(1);
  const auto draw = [&](std::size_t count) {
    std::vector<Date> all;
    while (all.size() < count) all.emplace_back(rng);
    return all;
  };
  const auto fresh = draw(500);
  const auto known = draw(20000);
  Translator net, gradient;
  recur::initialize(net, rng);
  recur::Adam adam(net);
  recur::Gru<float>::Trace reading;
  auto writing = net.writer.trace();
  recur::Series<float> dy;
  decltype(net.writer)::State state, d_state;
  Bar bar;
  for (Index step = 0; step < steps; ++step) {
    std::vector<Date> some;
    for (int n = 0; n < 64; ++n) some.push_back(known[std::size_t(recur::uniform(rng, 0, double(known.size())))]);
    const Batch batch(some);
    net.reader.forward(batch.words, reading);
    net.reader.final_state(reading, std::get<0>(state));
    const auto y = net.writer.forward(batch.before, writing, state);
    const double loss = recur::softmax_cross_entropy(y, batch.after, dy);
    recur::bptt(net.writer, batch.before, writing, dy, gradient.writer, {.d_initial = &d_state});
    recur::bptt(net.reader, batch.words, reading, {}, gradient.reader, {.d_final = &std::get<0>(d_state)});
    recur::clip_norm(gradient, 1);
    adam.options.rate = recur::cosine(step, steps, 4e-3);
    adam.step(net, gradient);
    bar.show(double(step + 1) / double(steps), "loss " + std::to_string(loss));
  }

  Index right = 0, nearest_right = 0;
  for (const Date& date : fresh) {
    const std::string found = translate(net, date.words);
    right += found == date.iso;
    nearest_right += std::max_element(known.begin(), known.end(), [&](const Date& a, const Date& b) {
                       return in_common(a.words, date.words) < in_common(b.words, date.words);
                     })->iso == date.iso;
    if (&date < &fresh[5]) std::printf("%-30s %s\n", date.words.c_str(), found.c_str());
  }
  std::printf("of 500 fresh dates %td are right; of the most similar known texts %td\n", right, nearest_right);
  recur::require(brief || right > 475, "the network must have learnt");
} catch (const std::exception& error) {
  std::fprintf(stderr, "09_translate: %s\n", error.what());
  return 1;
}
