// OpenSSL's errors as error codes: their values are OpenSSL's own. Any thread; each thread has a
// queue of its own.
#pragma once

#include <system_error>

namespace weir::pool {

const std::error_category& tls_category() noexcept;

/// Empties this thread's queue of errors. The first, which says most; never no error.
std::error_code take_tls_error();

}  // namespace weir::pool
