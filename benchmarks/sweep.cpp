#include "sweep.hpp"

#include <recur/recur.hpp>

#include <random>

namespace bench {
namespace {

using recur::Index;
using Rows = Eigen::Map<Eigen::ArrayXf>;

template <class Cell>
class SweepOf : public Sweep {
  using Rule = typename Cell::Rule;
  static constexpr int blocks = Cell::blocks, h = recur::detail::made_blocks<Rule>().first;
  static constexpr int first_input = Rule::from_input.first, inputs = Rule::from_input.count;

 public:
  explicit SweepOf(const SweepShape& shape)
      : H_(shape.hidden), N_(shape.batch), columns_(Index(shape.batch) * shape.steps), cell_(1, shape.hidden),
        gradient_(cell_), x_(1, shape.batch, shape.steps), dy_(cell_.outputs(), shape.batch, shape.steps) {
    std::mt19937 rng(1);
    recur::initialize(cell_, rng);
    x_.setRandom(rng);
    dy_.setRandom(rng);
    recur(Way::forward);
    records_.setZero(blocks * H_, N_ + columns_);
    d_records_.setZero(blocks * H_, N_ + recur::detail::backward_columns);
    u_.setConstant(inputs * H_, 0.5f);
    b_ = du_ = db_ = u_;
  }

  void recur(Way way) override {
    if (way == Way::forward) {
      cell_.forward(x_, trace_);
    } else {
      recur::bptt(cell_, x_, trace_, dy_, gradient_);
    }
  }

  void bare(Way way) override { way == Way::forward ? bare_forward() : bare_back(); }

 private:
  Rows block(Eigen::MatrixXf& records, int first, int count, Index column) const {
    return {records.col(column).data() + first * H_, count * H_};
  }

  void bare_forward() {
    for (Index begin = 0; begin < columns_; begin += recur::detail::forward_columns) {
      const Index end = std::min(columns_, begin + recur::detail::forward_columns);
      for (Index j = begin; j < end; ++j) block(records_, first_input, inputs, N_ + j) = b_ + u_ * x_.matrix()(0, j);
      for (Index j = begin; j < end; ++j)
        for (Index first = 0; first < H_; first += 64) {  // so that what is read several times is near
          const Index count = std::min<Index>(64, H_ - first);
          const auto before = block(records_, h, 1, j).segment(first, count);
          for (int k = 0; k < blocks; ++k) {
            auto now = block(records_, k, 1, N_ + j).segment(first, count);
            now = now * 0.5f + before;
          }
        }
    }
  }
  void bare_back() {
    du_.setZero();
    db_.setZero();
    for (Index end = columns_; end > 0;) {
      const Index begin = std::max<Index>(0, end - recur::detail::backward_columns), d = N_ - begin;
      for (Index j = begin; j < end; ++j) block(d_records_, h, 1, d + j) = dy_.matrix().col(j).head(H_).array();
      for (Index j = end; j-- > begin;)
        for (Index first = 0; first < H_; first += 64) {
          const Index count = std::min<Index>(64, H_ - first);
          const auto d_h = block(d_records_, h, 1, d + j).segment(first, count).eval();
          for (int k = 0; k < blocks; ++k)
            block(d_records_, k, 1, d + j).segment(first, count) =
                d_h * block(records_, k, 1, N_ + j).segment(first, count);
          block(d_records_, h, 1, d + j - N_).segment(first, count) +=
              d_h * block(records_, h, 1, j).segment(first, count);
        }
      for (Index j = begin; j < end; ++j) {
        const auto d_a = block(d_records_, first_input, inputs, d + j);
        du_ += d_a * x_.matrix()(0, j);
        db_ += d_a;
      }
      end = begin;
    }
  }

  Index H_, N_, columns_;
  Cell cell_, gradient_;
  recur::Series<float> x_, dy_;
  typename Cell::Trace trace_;
  Eigen::MatrixXf records_, d_records_;
  Eigen::ArrayXf u_, b_, du_, db_;
};

template <class Cell>
std::unique_ptr<Sweep> make(const SweepShape& shape) {
  return std::make_unique<SweepOf<Cell>>(shape);
}

}  // namespace

const char* name(Way way) { return way == Way::forward ? "forward" : "back"; }

std::string SweepKind::path(Way way, const std::string& by, const SweepShape& s) const {
  return std::string("sweep/") + name(way) + '/' + cell + '/' + by + "/H:" + std::to_string(s.hidden) +
         "/N:" + std::to_string(s.batch) + "/T:" + std::to_string(s.steps);
}

const std::vector<SweepKind>& sweep_kinds() {
  static const std::vector<SweepKind> kinds{
      {"indrnn", make<recur::IndRnn<float>>},   {"mingru", make<recur::MinGru<float>>},
      {"minlstm", make<recur::MinLstm<float>>}, {"qrnn", make<recur::Qrnn<float>>},
      {"rg-lru", make<recur::RgLru<float>>},    {"lru", make<recur::Lru<float>>}};
  return kinds;
}

}  // namespace bench
