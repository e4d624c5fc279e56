// How the warm queries of cache rules are asked for: a reply in memory is of use only to who asks
// in the very form that it was fetched in, so the forms are learnt from clients, and beside them
// stand those that the configuration alone tells. Also which form is to be asked next, and when one
// that fails, or that nobody makes use of, is asked again. No I/O, no clock, no log. Thread-safe. A
// form is a value; the registry gives out copies.
#pragma once

#include "pool/session_settings.hpp"
#include "querycache/cache.hpp"
#include "querycache/key.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace weir::daemon {

/// Who asks: the client's database and user, and its settings with the application's name.
struct warm_asker {
    std::string database;
    std::string user;
    pool::settings settings;
    friend bool operator==(const warm_asker&, const warm_asker&) = default;

    [[nodiscard]] std::string_view application() const;
};

/// And what, in messages.
struct warm_request {
    querycache::reply_shape shape = querycache::reply_shape::simple;
    std::string text;
    std::string parameter_types;  ///< as in querycache::request
    std::string bind_tail;
    friend bool operator==(const warm_request&, const warm_request&) = default;

    explicit warm_request() = default;
    explicit warm_request(const querycache::request& from);
    /// Its Bind holds values, which no log may tell.
    [[nodiscard]] bool has_values() const;
};

struct warm_form {
    warm_asker who;
    warm_request what;
    friend bool operator==(const warm_form&, const warm_form&) = default;
};

/// A text of cache.rules[].warm.
struct warm_text {
    std::string rule;
    std::size_t index = 0;                ///< in the rule's list
    std::string text;                     ///< as querycache::bare_text() has it
    std::vector<warm_form> by_file = {};  ///< forms that need not be learnt
};

class warm_forms {
public:
    using time_point = querycache::time_point;

    /// A text is learnt in so many forms; who has not asked for longest leaves.
    static constexpr std::size_t most_learnt = 16;
    static constexpr std::size_t largest_form = 16U << 10U;  ///< bytes of key and settings
    static constexpr std::chrono::seconds shortest_wait{1};
    static constexpr std::chrono::seconds longest_wait{60};
    static constexpr unsigned vain_tries = 3;
    /// A learnt form that nobody has asked for leaves.
    static constexpr std::chrono::hours remembered{1};

    /// Where an entry lies.
    struct place {
        std::string key;  ///< empty: it was never stored
        querycache::hash128 hash;
        /// What was stored there last, until it is found to be gone: it tells whether anybody was
        /// given it in between.
        querycache::entry_ref last;
    };
    struct job {
        std::uint64_t id = 0;  ///< of the form; never 0
        std::string rule;
        std::size_t index = 0;
        warm_form form;
    };
    enum class outcome : std::uint8_t {
        answered,  ///< whether it was stored learn() has told
        failed,
        not_asked,  ///< the database cannot be asked now, through no fault of the query
    };
    struct verdict {
        bool is_kept = false;
        /// It is the first failure since the text was well, or what was never kept is not kept
        /// again and again.
        bool is_news = false;
    };

    /// The texts of the rules in force. What is known of those that were there before stays known.
    void set_texts(std::vector<warm_text> texts, time_point now);
    [[nodiscard]] bool empty() const;
    [[nodiscard]] bool has_rule(std::string_view rule) const;
    /// How many forms are known.
    [[nodiscard]] std::size_t size() const;

    /// The reply to a text of the rule was stored as `kept`. `asked_as`: the form that was asked
    /// for by the daemon itself; 0: a client has asked. Of texts that are not configured nothing is
    /// learnt.
    void learn(
        std::string_view rule,
        const warm_asker& who,
        const querycache::entry_ref& kept,
        std::uint64_t asked_as,
        time_point now
    );

    /// What is to be asked now, since `is_there` says no of it, which is called under the lock;
    /// each is under way until ended().
    [[nodiscard]] std::vector<job> due(
        time_point now, const std::function<bool(const warm_form&, const place&)>& is_there
    );
    /// All forms of the rule, whether there or not, to be asked now because somebody says so: as if
    /// for the first time, waits begin anew.
    [[nodiscard]] std::vector<job> all_of(std::string_view rule);
    verdict ended(std::uint64_t id, outcome how, time_point now);

private:
    struct known_form {
        std::uint64_t id = 0;
        warm_form form;
        place at;
        bool is_by_file = false;
        unsigned under_way = 0;
        bool was_stored = false;  ///< since it was asked last
        unsigned failures = 0;    ///< in a row
        unsigned unused = 0;      ///< fills in a row that nobody was given
        time_point used_at;       ///< when somebody asked
        time_point not_before;
    };
    struct known_text {
        warm_text is;
        bool is_well = true;  ///< no failure was told since it worked
        std::vector<known_form> forms;
    };

    // With lock_ held.
    known_text* find_text(std::string_view rule, std::string_view bare);
    known_form* find_form(std::uint64_t id, known_text** text);
    known_form& add(known_text& to, warm_form form, bool is_by_file, time_point now);
    void make_room(known_text& in);
    static std::chrono::seconds wait_after(unsigned times);
    static job begin(const known_text& text, known_form& form);

    mutable std::mutex lock_;
    std::vector<known_text> texts_;  // guarded by lock_
    std::uint64_t last_id_ = 0;      // guarded by lock_
};

}  // namespace weir::daemon
