// Debian ships no library for Boost.JSON; this compiles it into the program.
#include <boost/json/src.hpp>
