#define UNIT for_this_one
#include "unit.hpp"
