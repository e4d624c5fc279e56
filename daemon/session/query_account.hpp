// What one client has asked and what it was answered, for the statistics and the slow log: the
// query group that is answered now, from its first message to its ReadyForQuery, and those that
// were pipelined behind it. It is told of messages and of the time, and sees neither bytes nor
// sockets. One thread.
#pragma once

#include "daemon/insight/observer.hpp"
#include "daemon/session/statement_facts.hpp"

#include <boost/container/deque.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weir::daemon {

class query_account {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// Who asks. Wanted for slow groups alone.
    struct asker {
        std::string client;            ///< as in slow_query_texts
        std::string_view application;  ///< has to live as long as the call
        std::shared_ptr<const insight::statement_origin> origin = nullptr;
    };
    /// What was sent, for who shows or explains it.
    struct sent_text {
        std::string text;
        std::string parameter_types;
        std::string bind_tail;
    };
    /// What the server says at the end of a group.
    struct standing {
        bool ends_transaction = false;
        bool owes_more = false;  ///< it was asked for more, and will answer it
    };
    /// What memory has answered with.
    struct answer {
        std::uint64_t rows = 0;
        std::uint64_t reply_bytes = 0;
        std::uint64_t fingerprint = 0;
        std::uint64_t parameters = 0;       ///< a hash of text and values
        std::chrono::nanoseconds saved{0};  ///< what a server took for it
    };

    /// `session_id`: of the client; the first half of the ids of requests that have none.
    explicit query_account(std::uint64_t session_id) : session_id_(session_id) {}

    // What the client asks.

    /// The first message of a group; nothing to do while one is open.
    void open(time_point now);
    /// A message that asks for something while a group is open: behind a complete one it begins the
    /// next.
    void open_behind() {
        if (asked().is_complete) behind_.emplace_back();
    }
    /// What was opened needed no server, and is no query of the statistics.
    void drop() noexcept { is_open_ = in_transaction_ = false; }
    /// The same inside a transaction of the server, which goes on.
    void drop_inside() noexcept { is_open_ = false; }
    /// The group that is asked is about this statement. Of several it is the first that is more
    /// than BEGIN and its like.
    void note_statement(const text_facts& facts);
    /// The cache's rule for it, empty for none.
    void note_rule(std::string_view rule) { asked().rule = rule; }
    void note_cache(insight::cache_outcome outcome) { asked().cache = outcome; }
    /// Why memory will not answer it.
    void note_reason(std::optional<querycache::bypass_reason> reason) { asked().reason = reason; }
    /// A hash of what distinguishes it from other calls of its statement; for reads.
    void note_parameters(std::uint64_t hash) { asked().parameters = hash; }
    /// It is sent to be run, not only to be prepared; `is_own_world` as in query_event.
    void note_run(bool is_own_world = false) {
        asked().has_run = true;
        asked().is_own_world = is_own_world;
    }
    /// The server reads its text in another way than our lexer: what that says is not for a log.
    void note_unreadable() { asked().is_unreadable = true; }
    /// What is sent for the statement of these facts.
    void keep_text(
        const text_facts& facts,
        std::string_view text,
        std::string_view types,
        std::string_view bind_tail
    );
    /// The message that is answered by ReadyForQuery is taken: what comes next is another group.
    void complete() { asked().is_complete = true; }

    // What becomes of it.

    /// Its wait in the pool's queue is over. Returns how long it was.
    std::chrono::nanoseconds waited(time_point now) noexcept { return wait_ = now - started_; }
    /// Bytes of it go to the server, if they are the first: at the end of its wait, so that no
    /// clock is read.
    void sent() noexcept {
        if (is_open_ && !is_sent()) sent_ = started_ + wait_;
    }
    /// Before the first byte of its reply; later ones are not asked for.
    [[nodiscard]] bool awaits_reply() const noexcept { return replied_ == time_point{}; }
    void replied(time_point now) noexcept { replied_ = now; }
    void add_reply(std::size_t bytes) noexcept { reply_bytes_ += bytes; }
    void add_rows(std::uint64_t rows) noexcept { rows_ += rows; }
    /// The last one tells.
    void on_error(std::string_view sqlstate) { sqlstate_ = sqlstate; }

    // Its end, told to `observer` and `counters`. `who()` gives an asker, and is called only when
    // the group goes into the slow log.

    /// ReadyForQuery. The next group that was sent already begins with it, and so does its time:
    /// PostgreSQL takes one after the other.
    template<class Who>
    void finish(
        insight::observer& observer,
        insight::pool_counters& counters,
        time_point now,
        const standing& server,
        Who&& who
    ) {
        tell_of_idleness(observer, counters);
        tell(observer, counters, event(now), who);
        ++ended_;
        note_end(now);
        if (server.ends_transaction) {
            counters.transaction_finished(now - transaction_started_);
            in_transaction_ = false;
        }
        clear();
        if (!behind_.empty()) begin_next(now, server.owes_more);
    }
    /// Nobody will answer it any more, nor what was sent behind it, which PostgreSQL has not begun.
    /// Requires is_open().
    template<class Who>
    void fail(
        insight::observer& observer,
        insight::pool_counters& counters,
        time_point now,
        const standing& server,
        std::string_view sqlstate,
        Who&& who
    ) {
        behind_.clear();
        if (sqlstate_.empty()) sqlstate_ = sqlstate;
        finish(observer, counters, now, server, who);
        in_transaction_ = false;
    }
    /// The server goes back to its pool, or is lost.
    void server_left(
        insight::observer& observer, const insight::pool_counters& counters, time_point now
    ) {
        if (ended_at_ != time_point{}) idle_ += now - ended_at_;
        ended_at_ = {};
        was_held_ = false;
        tell_of_idleness(observer, counters);
    }
    /// Memory has answered it: as a transaction of its own, or inside of one. A slow one may be
    /// told more of in `who()`: note_statement() and note_rule().
    template<class Who>
    void finish_hit(
        insight::observer& observer,
        insight::pool_counters& counters,
        time_point now,
        const answer& given,
        bool is_transaction,
        Who&& who
    ) {
        insight::query_event event;
        event.kind = insight::query_kind::read;
        event.cache = insight::cache_outcome::hit;
        event.total = now - started_;
        event.rows = given.rows;
        event.bytes = given.reply_bytes;
        event.fingerprint = given.fingerprint;
        event.saved = given.saved;
        event.call = call(given.fingerprint, given.parameters, now);
        tell(observer, counters, event, who);
        previous_ = given.fingerprint;
        ++ended_;
        if (group_.statement) group_ = {};
        if (is_transaction) {
            counters.transaction_finished(event.total);
            drop();
        } else {
            drop_inside();
        }
        if (was_held_) ended_at_ = now;  // the server goes on to be idle
        rows_ = reply_bytes_ = 0;
    }

    [[nodiscard]] bool is_open() const noexcept { return is_open_; }
    /// A byte of the group has gone to the server.
    [[nodiscard]] bool is_sent() const noexcept { return sent_ != time_point{}; }
    /// When it went there; near enough.
    [[nodiscard]] time_point sent_at() const noexcept { return sent_; }
    /// How many groups have ended: another number, another one runs. Not statements: PostgreSQL
    /// keeps the small replies of a group's first ones back until its last has ended.
    [[nodiscard]] std::uint64_t ended() const noexcept { return ended_; }
    /// Between the first message of a transaction and the ReadyForQuery that ends it.
    [[nodiscard]] bool is_in_transaction() const noexcept { return in_transaction_; }
    /// When the last one began.
    [[nodiscard]] time_point transaction_started() const noexcept { return transaction_started_; }
    /// First message of the last group; the epoch before there was one.
    [[nodiscard]] time_point started() const noexcept { return started_; }

private:
    /// What is asked with one ReadyForQuery.
    struct group {
        std::shared_ptr<const querycache::sql::statement> statement;
        std::shared_ptr<const insight::trace_tags> tags;
        std::string rule;  // a copy: rules may be reloaded while the reply is awaited
        insight::cache_outcome cache = insight::cache_outcome::none;
        bool is_complete = false;  // its end was sent: what comes next is another one
        bool has_run = false;
        bool is_own_world = false;
        bool is_unreadable = false;
        std::optional<querycache::bypass_reason> reason;
        std::uint64_t parameters = 0;
        std::unique_ptr<sent_text> sent;  // null: nobody wants it
    };
    /// What the texts for the slow log look into besides the account itself.
    struct slow_strings {
        asker who;
        std::string request_id;
    };

    template<class Who>
    void tell(
        insight::observer& observer,
        insight::pool_counters& counters,
        const insight::query_event& event,
        Who& who
    ) {
        slow_strings own;
        observer.query_finished(counters, event, [&] {
            own.who = who();
            return texts(own);
        });
    }
    /// Its statement is found: one that is more than BEGIN and its like.
    static bool is_settled(const group& one) {
        return one.statement &&
               one.statement->transaction == querycache::sql::transaction_control::none;
    }
    /// The group that the client's messages belong to now.
    group& asked() { return behind_.empty() ? group_ : behind_.back(); }
    insight::query_event event(time_point now) const;
    /// Of a client, not of a request that it names.
    insight::repeat_call call(std::uint64_t fingerprint, std::uint64_t parameters, time_point now)
        const {
        return {session_id_, fingerprint, parameters, previous_, now};
    }
    void note_end(time_point now);
    /// The server was idle behind the statement before this one, which has held it.
    void tell_of_idleness(insight::observer& observer, const insight::pool_counters& counters) {
        if (idle_ < worth_telling) return;
        observer.server_held(counters, last_, idle_);
        idle_ = {};
    }
    insight::slow_query_texts texts(slow_strings& own);
    void clear() noexcept {
        wait_ = {};
        sent_ = {};
        is_open_ = false;
        group_.is_complete = false;
        group_.statement.reset();
        group_.tags.reset();
        group_.cache = insight::cache_outcome::none;
        group_.has_run = group_.is_own_world = group_.is_unreadable = false;
        group_.reason.reset();
        group_.parameters = 0;
        group_.sent.reset();
        group_.rule.clear();
        replied_ = {};
        reply_bytes_ = 0;
        rows_ = 0;
        sqlstate_.clear();
    }
    void begin_next(time_point now, bool is_owed);

    static constexpr std::size_t longest_kept = 256U << 10U;
    /// Less is the time that it takes to give a server back.
    static constexpr std::chrono::microseconds worth_telling{50};

    const std::uint64_t session_id_;
    bool is_open_ = false;
    bool in_transaction_ = false;
    bool was_held_ = false;  // a server stood idle when the group began
    time_point transaction_started_{};
    time_point started_{};
    time_point sent_{};      // first byte to the server
    time_point replied_{};   // first byte of its reply
    time_point ended_at_{};  // of the last group, while its server is still here; else the epoch
    std::chrono::nanoseconds idle_{0};  // of the server, behind it
    std::uint64_t last_ = 0;            // its fingerprint
    std::uint64_t previous_ = 0;        // of the last one that read or wrote
    std::chrono::nanoseconds wait_{0};
    group group_;
    std::uint64_t reply_bytes_ = 0;
    std::uint64_t rows_ = 0;
    std::uint64_t ended_ = 0;
    std::string sqlstate_;
    boost::container::deque<group> behind_;  // pipelined behind group_; empty owns nothing
    std::uint64_t slow_statements_ = 0;
};

}  // namespace weir::daemon
