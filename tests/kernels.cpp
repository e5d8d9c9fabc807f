#define RECUR_TEST_KERNELS template
#include "kernels.hpp"
