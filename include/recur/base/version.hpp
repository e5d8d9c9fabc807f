#pragma once
/// \file
/// The version, for the preprocessor: `#if RECUR_VERSION_MAJOR == 0 && RECUR_VERSION_MINOR < 2`. While the first number
/// is 0, names may change with the second, and do not with the third.

#define RECUR_VERSION_MAJOR 0
#define RECUR_VERSION_MINOR 1
#define RECUR_VERSION_PATCH 0
