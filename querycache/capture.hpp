// Turns the reply to one admitted read into an entry while it is forwarded. It is fed every backend
// message up to ReadyForQuery and gives up, for good and with a reason, at whatever a complete,
// ordinary reply does not hold; the forwarding never depends on it. Memory is bounded by the rule's
// max_result and by a budget that all captures of the process share.
// Thread rule: one thread; the budget is shared.
#pragma once

#include "querycache/entry.hpp"
#include "querycache/flights.hpp"
#include "querycache/key.hpp"
#include "querycache/reasons.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weir::querycache {

/// Bytes that captures under way may hold together. Thread-safe.
class capture_budget {
public:
    explicit capture_budget(std::size_t limit) : limit_(limit) {}
    [[nodiscard]] bool take(std::size_t bytes);
    void give_back(std::size_t bytes);
    void set_limit(std::size_t limit) { limit_.store(limit, std::memory_order_relaxed); }
    [[nodiscard]] std::size_t used() const { return used_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::size_t> used_{0};
    std::atomic<std::size_t> limit_;
};

/// What is fixed before the query is sent.
struct capture_plan {
    reply_shape shape = reply_shape::simple;
    std::string key;
    hash128 hash;
    stamp depends_on;  ///< taken before the query, or the Bind, was sent
    time_point sent_at{};
    duration ttl{};
    bool own_ttl = false;  ///< ttl comes from a hint
    entry_ref verified;    ///< what memory would have answered, to be compared; or null
    std::size_t max_result = 0;
    char status = 'I';        ///< T: sent in a transaction
    bool keep_empty = true;   ///< a reply without rows, too
    bool keeps_warm = false;  ///< the rule wants it ready: stored at any cost
    std::uint64_t lineage = 0;
    std::shared_ptr<rule_counters> rule;
    std::uint32_t rule_epoch = 0;
    std::shared_ptr<const sql::statement> facts;  ///< for the counters' last query
};

class capture {
public:
    capture(capture_plan plan, capture_budget& budget);
    ~capture();
    capture(const capture&) = delete;
    capture& operator=(const capture&) = delete;

    /// A backend message that is forwarded, in the order of arrival. `frame` is the whole of it,
    /// type byte and length included, or its first piece; `frame_size` is the size of the whole.
    void feed(char type, std::size_t frame_size, std::string_view frame);
    /// The next piece of the message that feed() began.
    void feed_more(std::string_view piece);

    /// After ReadyForQuery, whose status is taken for I: the entry, or null when the capture was
    /// given up (see failure()).
    [[nodiscard]] entry_ref finish(time_point now);
    [[nodiscard]] bool is_complete() const { return step_ == step::complete; }
    /// Why it was given up; nothing while it was not.
    [[nodiscard]] std::optional<bypass_reason> failure() const { return failure_; }
    /// Gives it up: nothing more is kept, and finish() gives null.
    void abandon(bypass_reason reason);
    [[nodiscard]] const capture_plan& plan() const { return plan_; }

    /// Others wait for the reply: they are told when this ends, or as soon as it is given up.
    void carry(flights::lead lead) { lead_ = std::move(lead); }
    /// They are to wait no longer; the capture goes on.
    void land() { lead_.land(landing::go_alone); }

private:
    enum class step : std::uint8_t {
        bind_complete,
        row_description,
        rows,
        ready,
        complete,
        given_up,
    };

    /// The step after a message of `type` in step_; nothing when it does not belong there.
    [[nodiscard]] std::optional<step> after(char type) const;
    [[nodiscard]] static bypass_reason reason_of(char type);
    void append(std::string_view bytes);
    void check_end_of_message();

    capture_plan plan_;
    capture_budget& budget_;
    std::string reply_;
    std::size_t taken_ = 0;       ///< from the budget
    std::size_t left_ = 0;        ///< bytes of the current message still to come
    std::size_t message_at_ = 0;  ///< where the current message begins in reply_
    char type_ = 0;               ///< of the current message
    bool keep_ = false;           ///< whether the current message belongs to the entry
    std::uint32_t rows_ = 0;
    step step_;
    std::optional<bypass_reason> failure_;
    flights::lead lead_;
};

}  // namespace weir::querycache
