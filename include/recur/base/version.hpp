#pragma once
/// \file
/// The version, for the preprocessor: `#if RECUR_VERSION_MAJOR == 0 && RECUR_VERSION_MINOR < 2`. While the first number
/// is 0, names may change with the second, and do not with the third.

/// The first number of the version.
#define RECUR_VERSION_MAJOR 0
/// The second number of the version.
#define RECUR_VERSION_MINOR 1
/// The third number of the version.
#define RECUR_VERSION_PATCH 0
