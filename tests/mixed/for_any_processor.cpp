#define UNIT for_any_processor
#include "unit.hpp"
