// Two ends of a TLS connection in one test, and the files that their contexts are made from.
#pragma once

#include "pool/tls_session.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/scratch_folder.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir::pool {

class tls_folder : public test::scratch_folder {
public:
    using scratch_folder::write;
    /// NAME.crt and NAME.key.
    tls_files write(const std::string& name, const test::certificate_and_key& pair) const {
        return {write(name + ".crt", pair.certificate), write(name + ".key", pair.key), ""};
    }
};

/// Fails the test, with the problem's words, when there is none.
inline tls_context_ptr must_make(tls_context::role as, tls_mode mode, const tls_files& files) {
    std::vector<tls_problem> problems;
    auto made = tls_context::make(as, mode, files, problems);
    for (const auto& problem : problems)
        EXPECT_FALSE(problem.is_error) << problem.what;
    return made;
}

inline std::string take_output(tls_session& from) {
    from.output().settle();
    std::string bytes{from.output().settled()};
    from.output().taken(bytes.size());
    return bytes;
}

/// Goes back and forth until neither end has more to say; `piece`: so many bytes at a time.
struct tls_meeting {
    tls_session::progress client = tls_session::progress::want_input;
    tls_session::progress server = tls_session::progress::want_input;

    tls_meeting(tls_session& one, tls_session& other, std::size_t piece = 1 << 20) {
        using enum tls_session::progress;
        client = one.handshake({});
        for (int i = 0; i < 10; ++i) {
            give(one, other, server, piece);
            give(other, one, client, piece);
        }
    }
    bool is_established() const {
        using enum tls_session::progress;
        return client == established && server == established;
    }

private:
    static void give(
        tls_session& from, tls_session& to, tls_session::progress& so_far, std::size_t piece
    ) {
        const std::string bytes = take_output(from);
        std::string_view left = bytes;
        while (!left.empty() && so_far != tls_session::progress::failed) {
            const std::string_view some = left.substr(0, piece);
            left.remove_prefix(some.size());
            if (so_far == tls_session::progress::want_input) {
                so_far = to.handshake(some);
            } else {
                char none[16];
                EXPECT_EQ(to.decrypt(some, none).count, 0U);  // a ticket
            }
        }
    }
};

}  // namespace weir::pool
