#pragma once
/// \file
/// Any cell of recur's on whole Eigen arrays: what one writes first who has the equations, stage after stage.

#include "library.hpp"

namespace bench {

/// Arrays of H x N, one for each block of a record, or vector of P; those of the rule's functions.
class WholeArrays {
 public:
  using Array = Eigen::ArrayXXf;

  WholeArrays() = default;
  WholeArrays(Index count, Index hidden, Index batch)
      : all_(static_cast<std::size_t>(count), Array::Zero(hidden, batch)) {}

  Array& operator[](int k) { return all_[static_cast<std::size_t>(k)]; }
  const Array& operator[](int k) const { return all_[static_cast<std::size_t>(k)]; }
  /// Blocks of a range, from H rows each.
  void add(recur::BlockRange range, const auto& rows) {
    const Index H = all_[0].rows();
    for (int k = 0; k < range.count; ++k) (*this)[range.first + k] += rows.middleRows(k * H, H).array();
  }
  Matrix stacked(recur::BlockRange range) const {
    const Index H = all_[0].rows();
    Matrix rows(range.count * H, all_[0].cols());
    for (int k = 0; k < range.count; ++k) rows.middleRows(k * H, H) = (*this)[range.first + k].matrix();
    return rows;
  }
  void set_zero(recur::BlockRange range) {
    for (int k = 0; k < range.count; ++k) (*this)[range.first + k].setZero();
  }

 private:
  std::vector<Array> all_;
};

template <class Rule>
class RuleLoop : public Run {
  using Array = WholeArrays::Array;
  using Sizes = recur::detail::RuleSizes<Rule>;
  using Row = Eigen::Array<float, 1, Eigen::Dynamic>;
  static constexpr recur::BlockRange from_input = Rule::from_input, state = Rule::state, h = Sizes::made_blocks;
  static constexpr int shared = Sizes::from_shared.count;
  static constexpr bool halfway = recur::detail::stops_halfway<Rule>();

 public:
  explicit RuleLoop(const Problem& problem)
      : p_(problem), H_(problem.shape.hidden), N_(problem.x.batch()), T_(problem.x.steps()), I_(problem.U.cols()),
        own_(Sizes::vectors, H_, N_), given_(Sizes::own_vectors, H_, N_),
        records_(static_cast<std::size_t>(T_) + 1, WholeArrays(Sizes::blocks, H_, N_)),
        scales_(static_cast<std::size_t>(T_) * Sizes::norms.size()), y_(problem.dy) {
    for (int v = 0; v < Sizes::vectors; ++v) own_[v] = p_.P.col(v).array().replicate(1, N_);
    records_[0].add(state, p_.initial);
  }

  void forward() override {
    if constexpr (Sizes::derived > 0) {
      rule_.derive(own_, given_);
    } else {
      given_ = own_;
    }
    products_.noalias() = p_.U * p_.x.matrix().topRows(I_);
    for (Index t = 0; t < T_; ++t) step_forward(t);
  }
  void train() override {
    forward();
    WholeArrays d_now(Sizes::blocks, H_, N_), d_before = d_now, d_given(Sizes::own_vectors, H_, N_);
    da_.resize(from_input.count * H_, N_ * T_);
    dx_.resize(I_ + shared, N_ * T_);
    dW_.setZero(p_.W.rows(), p_.W.cols());
    db_.setZero(p_.b.size(), 1);
    for (Index t = T_; t-- > 0;) {
      d_now.add(h, p_.dy[t]);
      d_before.set_zero({0, Sizes::blocks});
      step_backward(t, d_now, d_before, d_given);
      std::swap(d_now, d_before);
      if constexpr (state.count < Sizes::blocks) {  // what is not carried does not go further
        d_now.set_zero({0, state.first});
        d_now.set_zero({state.end(), Sizes::blocks - state.end()});
      }
    }
    d_initial_ = d_now.stacked(state);
    dU_.noalias() = da_ * p_.x.matrix().topRows(I_).transpose();
    dx_.topRows(I_).noalias() = p_.U.transpose() * da_;
    WholeArrays d_own(Sizes::vectors, H_, N_);
    if constexpr (Sizes::derived > 0) {
      rule_.backward_derive(own_, given_, d_given, d_own);
    } else {
      d_own = d_given;
    }
    dP_.resize(H_, Sizes::vectors);
    for (int v = 0; v < Sizes::vectors; ++v) dP_.col(v) = d_own[v].rowwise().sum();
  }
  Results results(Work work) const override {
    Results all{{"y", y_.matrix()}};
    if (work == Work::forward) return all;
    all.emplace_back("dU", dU_);
    if (dW_.size() > 0) all.emplace_back("dW", dW_);
    if (db_.size() > 0) all.emplace_back("db", db_);
    all.insert(all.end(), {{"dx", dx_}, {"d_initial", d_initial_}});
    if (dP_.size() > 0) all.emplace_back("dP", dP_);
    return all;
  }

 private:
  void step_forward(Index t) {
    const WholeArrays& before = records_[static_cast<std::size_t>(t)];
    WholeArrays& now = records_[static_cast<std::size_t>(t) + 1];
    now.set_zero(recur::detail::pre_activations<Rule>);
    for (int k = 0; k < Sizes::from_bias.count; ++k)
      now[Sizes::from_bias.first + k] = p_.b.segment(k * H_, H_).array().replicate(1, N_);
    now.add(from_input, products_.middleCols(t * N_, N_));
    for (int k = 0; k < shared; ++k) now[Sizes::from_shared.first + k] = p_.x[t].row(I_ + k).array().replicate(H_, 1);
    if constexpr (Sizes::from_hidden.count > 0) add_product(0, Sizes::from_hidden, before.stacked(h), now);
    normalise(t, now, false);
    const auto run = [&](const auto&... own) {
      if constexpr (halfway) {
        rule_.forward_halfway(before, now, own...);
        if constexpr (Sizes::from_halfway.count > 0)
          add_product(Sizes::from_hidden.count, Sizes::from_halfway, now.stacked({Rule::halfway, 1}), now);
        normalise(t, now, true);
      }
      rule_.forward(before, now, own...);
    };
    if constexpr (Sizes::own_vectors > 0) {
      run(given_);
    } else {
      run();
    }
    y_[t] = now.stacked(h);
  }
  void step_backward(Index t, WholeArrays& d_now, WholeArrays& d_before, WholeArrays& d_given) {
    const WholeArrays &before = records_[static_cast<std::size_t>(t)], &now = records_[static_cast<std::size_t>(t) + 1];
    const auto run = [&](auto&... own) {
      rule_.backward(before, now, d_now, d_before, own...);
      if constexpr (halfway) {
        back_through_norms(t, now, d_now, true);
        if constexpr (Sizes::from_halfway.count > 0) {
          const recur::BlockRange q{Rule::halfway, 1};
          d_now.set_zero(q);
          d_now.add(q, back_through_product(Sizes::from_hidden.count, Sizes::from_halfway, now.stacked(q), d_now));
        }
        rule_.backward_halfway(before, now, d_now, d_before, own...);
      }
    };
    if constexpr (Sizes::own_vectors > 0) {
      run(std::as_const(given_), d_given);
    } else {
      run();
    }
    back_through_norms(t, now, d_now, false);
    if constexpr (Sizes::from_hidden.count > 0)
      d_before.add(h, back_through_product(0, Sizes::from_hidden, before.stacked(h), d_now));
    da_.middleCols(t * N_, N_) = d_now.stacked(from_input);
    db_ += d_now.stacked(Sizes::from_bias).rowwise().sum();
    for (int k = 0; k < shared; ++k)
      dx_.row(I_ + k).segment(t * N_, N_) = d_now[Sizes::from_shared.first + k].colwise().sum();
  }

  /// Rows of W, from block `first` on, and what they do.
  void add_product(int first, recur::BlockRange to, const Matrix& from, WholeArrays& now) {
    product_.noalias() = p_.W.middleRows(first * H_, to.count * H_) * from;
    now.add(to, product_);
  }
  Matrix back_through_product(int first, recur::BlockRange to, const Matrix& from, const WholeArrays& d_now) {
    const Matrix d = d_now.stacked(to);
    dW_.middleRows(first * H_, to.count * H_).noalias() += d * from.transpose();
    return p_.W.middleRows(first * H_, to.count * H_).transpose() * d;
  }

  /// f(first block, blocks, where 1 / deviation of each column is kept)
  void for_norms(Index t, bool late, const auto& f) {
    for (std::size_t k = 0; k < Sizes::norms.size(); ++k)
      if (recur::detail::is_late<Rule>(Sizes::norms[k]) == late)
        f(Sizes::norms[k], scales_[static_cast<std::size_t>(t) * Sizes::norms.size() + k]);
  }
  void normalise(Index t, WholeArrays& now, bool late) {
    for_norms(t, late, [&](recur::BlockRange range, Row& scale) {
      if constexpr (Sizes::norms.size() > 0) {
        Array all = now.stacked(range).array();
        const Row mean = all.colwise().mean();
        all.rowwise() -= mean;
        scale = (all.square().colwise().mean() + static_cast<float>(rule_.epsilon)).rsqrt();
        all.rowwise() *= scale;
        now.set_zero(range);
        now.add(range, all.matrix());
      }
    });
  }
  void back_through_norms(Index t, const WholeArrays& now, WholeArrays& d_now, bool late) {
    for_norms(t, late, [&](recur::BlockRange range, const Row& scale) {
      const Array n = now.stacked(range).array();
      Array d = d_now.stacked(range).array();
      const Row mean = d.colwise().mean(), mean_n = (d * n).colwise().mean();
      d.rowwise() -= mean;
      d -= n.rowwise() * mean_n;
      d.rowwise() *= scale;
      d_now.set_zero(range);
      d_now.add(range, d.matrix());
    });
  }

  const Problem p_;
  const Rule rule_{};
  const Index H_, N_, T_, I_;
  WholeArrays own_, given_;
  std::vector<WholeArrays> records_;
  std::vector<Row> scales_;
  recur::Series<float> y_;
  Matrix products_, product_, da_, dU_, dW_, db_, dx_, dP_, d_initial_;
};

}  // namespace bench
