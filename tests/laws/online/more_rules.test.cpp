// Learning without going back gives what going back gives: recurrences without a product, of times, and of a user.
#include "check.hpp"

#include <recur/recur.hpp>

using namespace recur_test;

TEST_CASE("The exact method gives the gradient of bptt for recurrences without a product", "[online][laws]") {
  check_online(IndRnn<double>(3, 5)), check_online(MinGru<double>(3, 5)), check_online(MinLstm<double>(3, 5));
  check_online(Qrnn<double>(3, 5)), check_online(RgLru<double>(3, 5)), check_online(Lru<double>(3, 5));
}

TEST_CASE("The exact method gives the gradient of bptt for steps of any duration, and users' rules", "[online][laws]") {
  check_online(CtRnn<double>(3, 5)), check_online(GruD<double>(5, 5)), check_online(Dense<double>(3, 5));
  check_online(Cell<LeakyRule, double>(3, 5)), check_online(Cell<TwoRule, double>(3, 5));
  check_online(Cell<ZoneoutRule<LstmRule<>>, double>(3, 5));
}

TEST_CASE("Steps of many units wait for one another", "[online][laws]") {  // packets, and more than one panel
  check_waiting(Case(Lru<double>(3, 75))), check_waiting(Case(Qrnn<double>(3, 130)));
  check_waiting(Case(Cell<TwoRule, double>(3, 75))), check_waiting(Case(GruD<double>(5, 75)));
}
