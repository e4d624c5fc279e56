// What changes of schemas through the daemon mean for prepared statements that clients share: a
// server's copy that was made before one may have another result than the text has by now, and
// PostgreSQL refuses to describe or run it ("cached plan must not change result type"). So changes
// are counted, a copy remembers the count at its Parse, and serves nobody who has prepared the
// statement later. It follows texts: DDL, DO, and what is too long to be looked at; not what
// functions, procedures and EXECUTE change, nor what comes past the daemon. Of one client; one
// thread, but for the count, which all share.
#pragma once

#include "daemon/session/request_tag.hpp"
#include "daemon/session/statement_facts.hpp"
#include "pool/prepared_statements.hpp"

#include <atomic>
#include <cstdint>

namespace weir::daemon {

class schema_watch {
public:
    /// The count of all clients. Begins at 1: 0 is older than any.
    using shared_age = std::atomic<pool::schema_age>;

    /// A Query or Execute is sent; `tag` as for session_effects.
    void on_sent(const text_facts& facts, change_tag tag) noexcept {
        if (may_change(facts, tag)) ++own_;
    }
    /// A transaction has ended in whatever way, or nobody will know: others see it from now on, and
    /// what was prepared in it may have gone with it. Unless `is_last`, it may have been one before
    /// the change's own.
    void on_end(shared_age& all, bool is_last) noexcept {
        if (own_ == 0) return;
        all.fetch_add(own_ + 1, std::memory_order_relaxed);
        if (is_last) own_ = 0;
    }
    /// Of what is prepared now; in a transaction that has changed a schema it is ahead of all.
    [[nodiscard]] pool::schema_age now(const shared_age& all) const noexcept {
        return all.load(std::memory_order_relaxed) + own_;
    }

private:
    [[nodiscard]] bool may_change(const text_facts& facts, change_tag tag) const noexcept;

    std::uint32_t own_ = 0;  // changes in the open transaction
};

}  // namespace weir::daemon
