#pragma once
/// \file
/// A cell that is chosen when the program runs.

#include "cells/cell.hpp"
#include "training/initializer.hpp"

#include <memory>
#include <utility>

namespace recur::inline RECUR_ISA {

namespace detail {

/// The parameters of a cell where they lie; those that its rule has not are empty.
template <class Scalar>
struct CellBlocks {
  MatrixView<Scalar> U, W, b, P, R;
};

/// A cell of any rule, through virtual functions: see Layer. Templated on Team as Chunk is.
template <class Scalar, class Team>
struct CellOfAnyRule {
  using Chunk = ChunkOf<Team>;
  using Workspace = CellWorkspace<Scalar>;
  using Memory = CellMemory<VectorOf<Scalar>>;
  using View = SeriesView<const Scalar>;
  using Vector = Eigen::Map<const VectorOf<Scalar>>;

  virtual ~CellOfAnyRule() = default;
  /// The same address for all cells of one type.
  virtual const void* kind() const = 0;
  virtual std::unique_ptr<CellOfAnyRule> copy() const = 0;
  /// What another of the same kind is: where parameters are, they stay, if sizes do.
  virtual void assign(const CellOfAnyRule& other) = 0;
  virtual Index inputs() const = 0;
  virtual Index hidden() const = 0;
  virtual Index outputs() const = 0;
  virtual std::string description() const = 0;
  virtual CellBlocks<Scalar> blocks() = 0;
  virtual void start(AnyEngine rng) = 0;
  virtual void set_forget_bias(double value) = 0;
  virtual bool differs_in_training() const = 0;

  virtual void require_shapes(const char* where) const = 0;
  virtual void require_workspace(const char* where, const Workspace&) const = 0;
  virtual Index state_size() const = 0;
  virtual MatrixView<Scalar> states(Workspace&) const = 0;
  virtual ConstMatrixView<Scalar> states(const Workspace&) const = 0;
  virtual MatrixView<Scalar> d_states(Workspace&) const = 0;
  virtual ConstMatrixView<Scalar> d_states(const Workspace&) const = 0;
  virtual void prepare_forward(const Pass&, Workspace&) const = 0;
  virtual void forward_steps(const Chunk&, const View& x, Workspace&) const = 0;
  virtual void forward_steps(const Chunk&, const TokensView& x, Workspace&) const = 0;
  virtual View output_columns(const Workspace&) const = 0;
  virtual void prepare_backward(const Pass&, Workspace&) const = 0;
  virtual void backward_steps(const Chunk&, const View& x, View dy, Workspace&, CellOfAnyRule& gradient,
                              SeriesView<Scalar> dx) const = 0;
  virtual void backward_steps(const Chunk&, const TokensView& x, View dy, Workspace&, CellOfAnyRule& gradient,
                              SeriesView<Scalar> dx) const = 0;
  virtual void finish_backward(Workspace&, CellOfAnyRule& gradient) const = 0;

  virtual Memory memory() const = 0;
  virtual void clear(Memory&) const = 0;
  virtual MatrixView<Scalar> state_in(const char* where, Memory&) const = 0;
  virtual ConstMatrixView<Scalar> state_in(const char* where, const Memory&) const = 0;
  virtual const Scalar* step(const Vector& x, Memory&) const noexcept = 0;
  virtual const Scalar* step(const Token& x, Memory&) const noexcept = 0;
};

template <class Cell, class Team>
struct CellOfOneRule final : CellOfAnyRule<typename Cell::Scalar, Team> {
  using Scalar = typename Cell::Scalar;
  using Any = CellOfAnyRule<Scalar, Team>;
  using typename Any::Chunk, typename Any::Workspace, typename Any::Memory, typename Any::View, typename Any::Vector;
  static_assert(Cell::takes_tokens,
                "AnyCell: not for cells some of whose inputs have no weights, as CtRnn: they read no tokens");

  Cell cell;

  explicit CellOfOneRule(Cell cell_) : cell(std::move(cell_)) {}
  static Cell& of(Any& any) { return static_cast<CellOfOneRule&>(any).cell; }
  static const void* kind_of_this() {
    static char place = 0;  // not const: constants that are alike may share a place
    return &place;
  }

  const void* kind() const override { return kind_of_this(); }
  std::unique_ptr<Any> copy() const override { return std::make_unique<CellOfOneRule>(cell); }
  void assign(const Any& other) override { cell = static_cast<const CellOfOneRule&>(other).cell; }
  Index inputs() const override { return cell.inputs(); }
  Index hidden() const override { return cell.hidden(); }
  Index outputs() const override { return cell.outputs(); }
  std::string description() const override { return cell.description(); }
  CellBlocks<Scalar> blocks() override {
    const auto view = [](auto& block) {
      return MatrixView<Scalar>(block.data(), block.rows(), block.cols(), Eigen::OuterStride<>(block.rows()));
    };
    return {view(cell.U), view(cell.W), view(cell.b), view(cell.P), view(cell.R)};
  }
  void start(AnyEngine rng) override { initialize(cell, rng); }
  void set_forget_bias(double value) override { forget_bias(cell, value); }
  bool differs_in_training() const override { return cell.differs_in_training(); }

  void require_shapes(const char* where) const override { cell.require_shapes(where); }
  void require_workspace(const char* where, const Workspace& work) const override {
    cell.require_workspace(where, work);
  }
  Index state_size() const override { return cell.state_size(); }
  MatrixView<Scalar> states(Workspace& work) const override { return cell.states(work); }
  ConstMatrixView<Scalar> states(const Workspace& work) const override { return cell.states(work); }
  MatrixView<Scalar> d_states(Workspace& work) const override { return cell.d_states(work); }
  ConstMatrixView<Scalar> d_states(const Workspace& work) const override { return cell.d_states(work); }
  void prepare_forward(const Pass& pass, Workspace& work) const override { cell.prepare_forward(pass, work); }
  void forward_steps(const Chunk& chunk, const View& x, Workspace& work) const override {
    cell.forward_steps(chunk, x, work);
  }
  void forward_steps(const Chunk& chunk, const TokensView& x, Workspace& work) const override {
    cell.forward_steps(chunk, x, work);
  }
  View output_columns(const Workspace& work) const override { return cell.output_columns(work); }
  void prepare_backward(const Pass& pass, Workspace& work) const override { cell.prepare_backward(pass, work); }
  void backward_steps(const Chunk& chunk, const View& x, View dy, Workspace& work, Any& gradient,
                      SeriesView<Scalar> dx) const override {
    cell.backward_steps(chunk, x, dy, work, of(gradient), dx);
  }
  void backward_steps(const Chunk& chunk, const TokensView& x, View dy, Workspace& work, Any& gradient,
                      SeriesView<Scalar> dx) const override {
    cell.backward_steps(chunk, x, dy, work, of(gradient), dx);
  }
  void finish_backward(Workspace& work, Any& gradient) const override { cell.finish_backward(work, of(gradient)); }

  Memory memory() const override { return cell.memory(); }
  void clear(Memory& memory) const override { cell.clear(memory); }
  MatrixView<Scalar> state_in(const char* where, Memory& memory) const override { return cell.state_in(where, memory); }
  ConstMatrixView<Scalar> state_in(const char* where, const Memory& memory) const override {
    return cell.state_in(where, memory);
  }
  const Scalar* step(const Vector& x, Memory& memory) const noexcept override { return cell.step(x, memory); }
  const Scalar* step(const Token& x, Memory& memory) const noexcept override { return cell.step(x, memory); }
};

}  // namespace detail

/// A cell of any rule, chosen when the program runs, say by an option. It computes what the cell computes, to the bit:
///
///     std::vector<recur::AnyCell<float>> layers;
///     if (name == "lstm") layers.push_back(recur::Lstm<float>(8, 32));
///     if (name == "gru") layers.push_back(recur::Gru<float>(8, 32));
///     recur::Sequence net(recur::Stack(layers), recur::Readout<float>(32, 2));
///
/// Whatever is compiled for a network, train() above all, is compiled once for cells of all kinds, and of a cell only
/// its steps. Sizes are known when the program runs. Parameters have the cell's names, and files are those of the cell
/// itself: they say which it is. There is no cast(). DropConnect and PyTorch's files want the cell itself, and cells
/// some of whose inputs have no weights (CtRnn, GruD) cannot be chosen so.
///
/// Team are the threads' of the translation unit: see Chunk. Units that hand an AnyCell to one another must be compiled
/// for one processor, and all with OpenMP or all without.
template <class Scalar_ = float, class Team = detail::Team>
class AnyCell : public LayerOf<AnyCell<Scalar_, Team>> {
  using Any = detail::CellOfAnyRule<Scalar_, Team>;

 public:
  /// Types and constants: see Layer.
  ///@{
  using Scalar = Scalar_;
  using State = MatrixOf<Scalar>;
  static constexpr bool causal = true, takes_tokens = true;
  ///@}

  /// A cell with its parameters.
  template <Rule Rule>
  AnyCell(Cell<Rule, Scalar> cell)  // NOLINT: converts
      : cell_(std::make_unique<detail::CellOfOneRule<Cell<Rule, Scalar>, Team>>(std::move(cell))) {}
  /// Copies have cells of their own. What has been moved from can only be assigned to; all else throws
  /// std::invalid_argument.
  ///@{
  AnyCell(const AnyCell& other) : LayerOf<AnyCell>(other), cell_(other.cell().copy()) {}
  AnyCell(AnyCell&&) noexcept = default;
  AnyCell& operator=(const AnyCell& other) {
    if (cell_ && cell_->kind() == other.cell().kind()) {
      cell_->assign(other.cell());
    } else {
      cell_ = other.cell().copy();
    }
    return *this;
  }
  AnyCell& operator=(AnyCell&&) noexcept = default;
  ~AnyCell() = default;
  ///@}

  /// The sizes and description of the cell.
  ///@{
  Index inputs() const { return cell().inputs(); }
  Index hidden() const { return cell().hidden(); }
  Index outputs() const { return cell().outputs(); }
  std::string description() const { return cell().description(); }
  ///@}
  /// The cell itself, null where it is of another type: `cell.get_if<recur::Lstm<float>>()`. It is good until another
  /// AnyCell is moved to this one, as load() does, or one of another type is assigned.
  ///@{
  template <class Cell>
  Cell* get_if() {
    using Found = detail::CellOfOneRule<Cell, Team>;
    return cell().kind() == Found::kind_of_this() ? &Found::of(*cell_) : nullptr;
  }
  template <class Cell>
  const Cell* get_if() const {
    using Found = detail::CellOfOneRule<Cell, Team>;
    return cell().kind() == Found::kind_of_this() ? &Found::of(*cell_) : nullptr;
  }
  ///@}

  /// f(name, U ...), then W, b, P and R, those that there are: see Cell. Throws std::invalid_argument unless all cells
  /// are of one type.
  static void visit(auto&& f, const Name& name, auto& first, auto&... others) {
    (require_same_kind(name, first, others), ...);
    visit_blocks(f, name, first.blocks(), others.blocks()...);
  }
  /// What initialize(), forget_bias() and train() do with the cell or ask it.
  ///@{
  void initialize(auto& rng) { cell(), cell_->start(detail::AnyEngine(rng)); }
  void set_forget_bias(double value) { cell(), cell_->set_forget_bias(value); }
  bool differs_in_training() const { return cell().differs_in_training(); }
  ///@}

  /// The cell's workspace, and whose it is.
  struct Workspace : CellWorkspace<Scalar> {
    const void* kind = nullptr;  ///< the same for all cells of one type
  };
  /// What Layer asks for.
  ///@{
  void require_shapes(const char* where) const { cell().require_shapes(where); }
  void require_workspace(const char* where, const Workspace& work) const {
    require(work.kind == cell().kind(), where, ": the trace must be of this network, got one of another cell");
    cell_->require_workspace(where, work);
  }
  Index state_size() const { return cell().state_size(); }
  auto states(auto& work) const { return cell_->states(work); }
  auto d_states(auto& work) const { return cell_->d_states(work); }
  auto& d_final(auto& work) const { return of_cell(work).d_final_; }
  void prepare_forward(const Pass& pass, Workspace& work) const {
    work.kind = cell_->kind();
    cell_->prepare_forward(pass, work);
  }
  void forward_steps(const ChunkOf<Team>& chunk, const auto& x, Workspace& work) const {
    cell_->forward_steps(chunk, x, work);
  }
  SeriesView<const Scalar> output_columns(const Workspace& work) const { return cell_->output_columns(work); }
  void prepare_backward(const Pass& pass, Workspace& work) const { cell_->prepare_backward(pass, work); }
  void backward_steps(const ChunkOf<Team>& chunk, const auto& x, SeriesView<const Scalar> dy, Workspace& work,
                      AnyCell& gradient, SeriesView<Scalar> dx) const {
    cell_->backward_steps(chunk, x, dy, work, *gradient.cell_, dx);
  }
  void finish_backward(Workspace& work, AnyCell& gradient) const { cell_->finish_backward(work, *gradient.cell_); }
  static const void* looked_up(const Workspace& work, const AnyCell& gradient) {
    return of_cell(work).of_tokens_ ? gradient.cell_->blocks().U.data() : nullptr;
  }
  ///@}

  /// For Stream: the cell's memory, and whose it is.
  struct Memory {
    typename Any::Memory own;  ///< the cell's
    const void* kind;          ///< the same for all cells of one type
  };
  /// For Stream: as the cell does it.
  ///@{
  Memory memory() const { return {cell().memory(), cell_->kind()}; }
  void clear(Memory& memory) const {
    require_memory("reset", memory);
    cell_->clear(memory.own);
  }
  auto state_in(const char* where, auto& memory) const {
    require_memory(where, memory);
    return cell_->state_in(where, memory.own);
  }
  const Scalar* step(const Token& x, Memory& memory) const noexcept {
    require_memory("step", memory);
    return cell_->step(x, memory.own);
  }
  const Scalar* step(const auto& x, Memory& memory) const noexcept {
    require_memory("step", memory);
    return cell_->step(typename Any::Vector(x.data(), x.rows()), memory.own);
  }
  ///@}

 private:
  const Any& cell() const {
    require(cell_ != nullptr, "AnyCell: a cell expected, got what has been moved from");
    return *cell_;
  }
  detail::CellBlocks<Scalar> blocks() { return cell(), cell_->blocks(); }
  const detail::CellBlocks<Scalar> blocks() const { return cell(), cell_->blocks(); }  // NOLINT: of const numbers, too
  static auto& of_cell(CellWorkspace<Scalar>& work) { return work; }
  static auto& of_cell(const CellWorkspace<Scalar>& work) { return work; }

  void require_memory(const char* where, const Memory& memory) const {
    require(memory.kind == cell().kind(), where, ": the network has another cell than when the stream was made");
  }
  static void require_same_kind(const Name& name, const AnyCell& first, const AnyCell& other) {
    if (first.cell().kind() != other.cell().kind()) {
      require(false, "AnyCell: ", name.str(), name.str().empty() ? "" : ": ", "cells of one kind expected, got ",
              first.description(), " and ", other.description());
    }
  }
  /// b is visited as a vector, and P where it is one column.
  static void visit_blocks(auto&& f, const Name& name, auto&&... of) {
    const auto visit_block = [&](const char* part, auto&& first, auto&&... others) {
      if (first.size() > 0) f(Name(name, part), first, others...);
    };
    const auto visit_own_vectors = [&](auto& first, auto&... others) {
      if (first.cols() == 1) return visit_block("P", as_vector(first), as_vector(others)...);
      visit_block("P", first, others...);
    };
    visit_block("U", of.U...);
    visit_block("W", of.W...);
    visit_block("b", as_vector(of.b)...);
    visit_own_vectors(of.P...);
    visit_block("R", of.R...);
  }
  using Vector = Eigen::Map<VectorOf<Scalar>>;
  static Vector as_vector(MatrixView<Scalar>& block) { return Vector(block.data(), block.size()); }
  static const Vector as_vector(const MatrixView<Scalar>& block) {  // NOLINT: what it views is const, too
    return Vector(const_cast<Scalar*>(block.data()), block.size());
  }

  std::unique_ptr<Any> cell_;
};

}  // namespace recur::inline RECUR_ISA
