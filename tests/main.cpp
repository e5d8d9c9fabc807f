#define CATCH_CONFIG_RUNNER  // tells Catch2 2.13 to compile itself into this file; 3 is a library
#include "catch.hpp"

int main(int argc, char* argv[]) { return Catch::Session().run(argc, argv); }
