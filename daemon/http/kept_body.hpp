// A body that never changes, with its encodings made once. Immutable, so any thread.
#pragma once

#include "daemon/http/encoding.hpp"

#include <optional>
#include <string>
#include <utility>

namespace weir::daemon::http {

class kept_body {
public:
    explicit kept_body(std::string plain)
        : plain_(std::move(plain)),
          gzip_(encode(content_encoding::gzip, plain_, effort::kept)),
          brotli_(encode(content_encoding::brotli, plain_, effort::kept)) {}

    [[nodiscard]] const std::string& plain() const { return plain_; }
    /// Nothing for identity.
    [[nodiscard]] std::optional<std::string> encoded(content_encoding encoding) const {
        switch (encoding) {
            case content_encoding::identity:
                return std::nullopt;
            case content_encoding::gzip:
                return gzip_;
            case content_encoding::brotli:
                return brotli_;
        }
        return std::nullopt;
    }

private:
    std::string plain_;
    std::optional<std::string> gzip_;
    std::optional<std::string> brotli_;
};

}  // namespace weir::daemon::http
