// Debian ships no library for the Boost.JSON that the tests parse with; this compiles it into the
// program.
#include <boost/json/src.hpp>
