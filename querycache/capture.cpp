#include "querycache/capture.hpp"

#include <algorithm>
#include <charconv>

namespace weir::querycache {

namespace {

constexpr std::size_t header_bytes = 5;  ///< type and length
constexpr std::size_t smallest_reserve = 512;

/// The row count of a "SELECT n" tag; nothing for any other tag.
std::optional<std::uint64_t> rows_of(std::string_view tag) {
    constexpr std::string_view verb = "SELECT ";
    if (tag.substr(0, verb.size()) != verb) return std::nullopt;
    tag.remove_prefix(verb.size());
    std::uint64_t rows = 0;
    const auto [at, error] = std::from_chars(tag.data(), tag.data() + tag.size(), rows);
    if (error != std::errc{} || at != tag.data() + tag.size()) return std::nullopt;
    return rows;
}

}  // namespace

bool capture_budget::take(std::size_t bytes) {
    const std::size_t limit = limit_.load(std::memory_order_relaxed);
    std::size_t used = used_.load(std::memory_order_relaxed);
    do {
        if (used > limit || bytes > limit - used) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return true;
}

void capture_budget::give_back(std::size_t bytes) {
    used_.fetch_sub(bytes, std::memory_order_relaxed);
}

capture::capture(capture_plan plan, capture_budget& budget)
    : plan_(std::move(plan)),
      budget_(budget),
      step_(plan_.shape == reply_shape::simple ? step::row_description : step::bind_complete) {}

capture::~capture() {
    if (taken_ != 0) budget_.give_back(taken_);
}

void capture::abandon(bypass_reason reason) {
    if (step_ == step::given_up) return;
    step_ = step::given_up;
    failure_ = reason;
    std::string().swap(reply_);
    if (taken_ != 0) budget_.give_back(taken_);
    taken_ = 0;
    // An error is this session's own; what does not fit today does not fit the next one either.
    lead_.land(reason == bypass_reason::error_reply ? landing::look_again : landing::go_alone);
}

std::optional<capture::step> capture::after(char type) const {
    switch (step_) {
        case step::bind_complete:
            if (type == '1') return step::bind_complete;
            if (type != '2') return std::nullopt;
            return plan_.shape == reply_shape::extended_described ? step::row_description
                                                                  : step::rows;
        case step::row_description:
            return type == 'T' ? std::optional(step::rows) : std::nullopt;
        case step::rows:
            if (type == 'D') return step::rows;
            return type == 'C' ? std::optional(step::ready) : std::nullopt;
        case step::ready:
            return type == 'Z' ? std::optional(step::complete) : std::nullopt;
        case step::complete:
        case step::given_up:
            return std::nullopt;
    }
    return std::nullopt;
}

bypass_reason capture::reason_of(char type) {
    switch (type) {
        case 'E':
            return bypass_reason::error_reply;
        case 'N':  // NoticeResponse, NotificationResponse, ParameterStatus: meant for this client
        case 'A':
        case 'S':
            return bypass_reason::notice;
        case 's':
            return bypass_reason::partial_fetch;
        case 'G':
        case 'H':
        case 'W':
        case 'd':
        case 'c':
        case 't':
        case '3':
            return bypass_reason::protocol_shape;
        default:
            return bypass_reason::unexpected_reply;
    }
}

void capture::feed(char type, std::size_t frame_size, std::string_view frame) {
    if (step_ == step::given_up) return;
    const auto next = after(type);
    if (!next || left_ != 0) return abandon(reason_of(type));
    if (frame_size < header_bytes || frame.size() > frame_size || frame.size() < header_bytes) {
        return abandon(bypass_reason::unexpected_reply);
    }
    step_ = *next;
    type_ = type;
    // Whether the client sends Parse is not part of the key: who replays the entry adds its own.
    keep_ = type != '1';
    message_at_ = reply_.size();
    left_ = frame_size;
    if (keep_ && frame_size > plan_.max_result - std::min(reply_.size(), plan_.max_result)) {
        return abandon(bypass_reason::too_big);
    }
    feed_more(frame);
}

void capture::feed_more(std::string_view piece) {
    if (step_ == step::given_up) return;
    if (piece.size() > left_) return abandon(bypass_reason::unexpected_reply);
    left_ -= piece.size();
    if (keep_) append(piece);
    if (left_ == 0 && step_ != step::given_up) check_end_of_message();
}

void capture::append(std::string_view bytes) {
    const std::size_t need = reply_.size() + bytes.size();
    if (need > taken_) {
        const std::size_t want = std::max({need, 2 * taken_, smallest_reserve});
        if (!budget_.take(want - taken_)) return abandon(bypass_reason::capture_budget);
        taken_ = want;
        reply_.reserve(want);
    }
    reply_.append(bytes);
}

void capture::check_end_of_message() {
    const std::string_view body =
        keep_ ? std::string_view(reply_).substr(message_at_ + header_bytes) : std::string_view{};
    switch (type_) {
        case 'D':
            ++rows_;
            break;
        case 'C':
            // A read that answers with another tag, or another number of rows, is not the plain
            // reply that this keeps.
            if (body.empty() || body.back() != '\0' ||
                rows_of(body.substr(0, body.size() - 1)) != rows_) {
                abandon(bypass_reason::unexpected_reply);
            }
            break;
        case 'Z':
            if (body != std::string_view(&plan_.status, 1)) abandon(bypass_reason::in_transaction);
            break;
        default:
            break;
    }
}

entry_ref capture::finish(time_point now) {
    if (step_ != step::complete || left_ != 0) {
        abandon(bypass_reason::unexpected_reply);
        return nullptr;
    }
    reply_.back() = 'I';  // who is in a transaction when it is served is told so
    entry_parts parts;
    parts.key = plan_.key;
    parts.hash = plan_.hash;
    parts.reply = reply_;
    parts.depends_on = &plan_.depends_on;
    parts.stored_at = plan_.sent_at;
    parts.ttl = plan_.ttl;
    parts.own_ttl = plan_.own_ttl;
    parts.lineage = plan_.lineage;
    parts.rule = plan_.rule;
    parts.rule_epoch = plan_.rule_epoch;
    parts.rows = rows_;
    parts.cost = now - plan_.sent_at;
    if (plan_.facts) parts.fingerprint = plan_.facts->fingerprint;
    return entry::make(parts);
}

}  // namespace weir::querycache
