// The promise itself, with threads: writers and readers over a database in memory whose delays come
// from a seed. Claim A: a read never misses a write that was acknowledged before the read began.
// Claim B (linearizable): a hit never misses a write that was visible when it was looked up. See
// query-cache.md, 3.4.
#include "tests/unit/querycache/world.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

namespace weir::querycache {
namespace {

using sql::transaction_control;
using test::facts_ptr;
using test::reading;
using test::share;
using test::world;
using test::writing;

constexpr std::size_t tables = 2;
constexpr int reader_count = 4;
constexpr int writer_count = 2;
constexpr int writes_of_each = 2000;
// Between two writes at least so many reads that what is in memory is also read from there, and no
// more than can meet something new.
constexpr std::uint64_t reads_between_writes = 24;
constexpr std::uint64_t reads_at_most = 100;
const std::array<const char*, tables> names{"t", "u"};

/// PostgreSQL as far as it matters: a commit is one instant, and so is a snapshot.
struct database_in_memory {
    std::array<std::atomic<int>, tables> committed{};
    std::array<std::atomic<int>, tables> acknowledged{};
};

/// Where the threads wait for each other, so that a delay ends with another's step and not with
/// time: on a loaded machine a yield costs a whole time slice of somebody else's work. And so that
/// the work is bounded: readers rest when what they could still read was read often enough since
/// the last write. Whoever comes to rest has made a step, so somebody always goes. Thread-safe.
class crossing {
public:
    explicit crossing(int threads) : going_(threads) {}

    /// Rests until another thread has made a step; not when no other is going.
    void stand_still() {
        std::unique_lock held{lock_};
        const auto seen = step();
        if (going_ > 1) rest(held, [&] { return steps_ != seen || over_; });
    }
    void begin_write() {
        const std::lock_guard held{lock_};
        allow_reads();
    }
    /// Rests until the readers, all together, have read so often.
    void let_read() {
        std::unique_lock held{lock_};
        const auto enough = reads_ + reads_between_writes;
        allow_reads();
        rest(held, [&] { return reads_ >= enough; });
    }
    /// One read is done; rests when that was enough of them. False when all is over.
    bool count_read() {
        std::unique_lock held{lock_};
        ++reads_;
        step();
        if (reads_ >= allowed_) rest(held, [&] { return reads_ < allowed_ || over_; });
        return !over_;
    }
    /// A writer has no more to write.
    void leave() {
        const std::lock_guard held{lock_};
        --going_;
        step();
    }
    /// All of them have left.
    void finish() {
        const std::lock_guard held{lock_};
        over_ = true;
        step();
    }

private:
    // All need lock_.
    std::uint64_t step() {
        changed_.notify_all();
        return ++steps_;
    }
    void allow_reads() {
        allowed_ = reads_ + reads_at_most;
        step();
    }
    template<class Condition>
    void rest(std::unique_lock<std::mutex>& held, Condition condition) {
        --going_;
        changed_.wait(held, condition);
        ++going_;
    }

    std::mutex lock_;
    std::condition_variable changed_;
    std::uint64_t steps_ = 0;
    std::uint64_t reads_ = 0;
    std::uint64_t allowed_ = reads_at_most;
    int going_;
    bool over_ = false;
};

/// Delays of random length, so that no timing is always the same: none, a few instructions, or
/// until another thread has moved.
class delays {
public:
    delays(unsigned seed, crossing& all) : random_(seed), all_(all) {}
    void wait() {
        const auto spins = random_() % 300;
        for (unsigned i = 0; i < spins; ++i)
            std::atomic_signal_fence(std::memory_order_seq_cst);
        if (random_() % 8 == 0) all_.stand_still();
    }
    bool once_in(unsigned n) { return random_() % n == 0; }
    std::size_t table() { return random_() % tables; }

private:
    std::minstd_rand random_;
    crossing& all_;
};

struct findings {
    std::atomic<std::uint64_t> reads{0}, hits{0}, stale{0};
};

void note_at_least(std::atomic<int>& place, int value) {
    int seen = place.load();
    while (seen < value && !place.compare_exchange_weak(seen, value)) {
    }
}

void write_for_a_while(world& w, database_in_memory& db, crossing& all, unsigned seed) {
    binding_memo memo;
    cache_session session(w.face, memo);
    session.set_identity(w.database, "shop", "app", "");
    delays d(seed, all);
    const std::array<facts_ptr, tables> facts{
        share(writing({names[0]})), share(writing({names[1]}))};
    const auto begin = share(test::transaction(transaction_control::begin));
    const auto commit = share(test::transaction(transaction_control::commit));
    const auto send = [&](const facts_ptr& f) {
        (void)session.begin_statement({reply_shape::simple, "w", {}, {}}, {f}, w.now);
        d.wait();
    };
    for (int i = 0; i < writes_of_each; ++i) {
        all.begin_write();
        const auto t = d.table();
        const bool explicitly = d.once_in(3);
        if (explicitly) {
            send(begin);
            (void)session.on_command_complete("BEGIN");
            (void)session.on_ready('T');
        }
        send(facts[t]);
        if (explicitly) {
            (void)session.on_command_complete("UPDATE 1");
            (void)session.on_ready('T');
            if (d.once_in(4)) {
                send(share(test::transaction(transaction_control::rollback)));
                (void)session.on_command_complete("ROLLBACK");
                (void)session.on_ready('I');
                continue;
            }
            send(commit);
        }
        const int value = db.committed[t].fetch_add(1) + 1;  // visible from here on
        d.wait();
        (void)session.on_command_complete(explicitly ? "COMMIT" : "UPDATE 1");
        note_at_least(db.acknowledged[t], value);  // the client has its answer
        d.wait();
        (void)session.on_ready('I');
        all.let_read();
    }
    all.leave();
}

int value_in(std::string_view reply) {
    // Behind RowDescription ("columns") and the row's header.
    const auto at = test::message('T', "columns").size() + 5;
    int value = -1;
    std::from_chars(reply.data() + at, reply.data() + reply.size(), value);
    return value;
}

void read_for_a_while(
    world& w, database_in_memory& db, crossing& all, unsigned seed, findings& found
) {
    binding_memo memo;
    cache_session session(w.face, memo);
    session.set_identity(w.database, "shop", "app", "");
    delays d(seed, all);
    const std::array<facts_ptr, tables> facts{
        share(reading({names[0]})), share(reading({names[1]}))};
    const bool strict = w.face.mode() == consistency::linearizable;
    do {
        const auto t = d.table();
        const int floor = strict ? db.committed[t].load() : db.acknowledged[t].load();
        const request r{reply_shape::simple, names[t], {}, {}};
        int value = 0;
        if (const auto hit = session.quick_hit(r, w.now)) {
            ++found.hits;
            value = value_in(hit.reply->reply());
        } else {
            auto decided = session.begin_statement(r, {facts[t]}, w.now);
            d.wait();
            value = db.committed[t].load();  // the snapshot
            d.wait();
            const auto reply = test::reply_of(std::to_string(value) + ";");
            if (decided.fill) test::feed(*decided.fill, reply);
            (void)session.on_command_complete("SELECT 1");
            (void)session.on_ready('I');
            session.finish_capture(std::move(decided.fill), w.now);
        }
        ++found.reads;
        if (value < floor) ++found.stale;
        d.wait();
    } while (all.count_read());
}

void check_claim(consistency mode) {
    world w(mode);
    database_in_memory db;
    findings found;
    std::vector<std::thread> readers;
    std::vector<std::thread> writers;
    crossing all(reader_count + writer_count);
    for (unsigned i = 0; i < reader_count; ++i) {
        readers.emplace_back([&, i] { read_for_a_while(w, db, all, 100 + i, found); });
    }
    for (unsigned i = 0; i < writer_count; ++i) {
        writers.emplace_back([&, i] { write_for_a_while(w, db, all, 200 + i); });
    }
    for (auto& t : writers)
        t.join();
    all.finish();
    for (auto& t : readers)
        t.join();
    EXPECT_EQ(found.stale, 0U);
    EXPECT_GT(found.hits * 10, found.reads * 3) << found.hits << " of " << found.reads;
    for (auto* slot : w.database.versions().slots()) {
        EXPECT_EQ(slot->pending(), 0U);
        EXPECT_GT(slot->version(), 500U);
    }
}

TEST(ClaimA, NoReadMissesAnAcknowledgedWrite) {
    check_claim(consistency::after_commit);
}

TEST(ClaimB, NoHitMissesAVisibleWriteWhenLinearizable) {
    check_claim(consistency::linearizable);
}

}  // namespace
}  // namespace weir::querycache
