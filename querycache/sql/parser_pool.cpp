#include "querycache/sql/parser_pool.hpp"

#include "querycache/sql/parser.hpp"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

namespace weir::querycache::sql {
namespace {

struct job {
    std::string text;
    parser_pool::callback done;
};

std::shared_ptr<const statement> refused_facts() {
    auto facts = std::make_shared<statement>();
    facts->writes_unknown = true;
    facts->statements = 1;
    facts->reasons = reason_bit(text_reason::not_a_read) | reason_bit(text_reason::too_complex);
    facts->effects = effect_bit(session_effect::opaque);
    return facts;
}

}  // namespace

struct parser_pool::state {
    mutable std::mutex lock;
    std::condition_variable work;
    std::deque<job> queue;        // guarded by lock
    bool stopping = false;        // guarded by lock
    std::uint64_t parsed = 0;     // guarded by lock
    std::uint64_t refused = 0;    // guarded by lock
    std::size_t queue_limit = 0;  // constant
    std::mutex joining;  // held while threads are joined, so that stop() may be called twice
    std::vector<pthread_t> threads;  // guarded by joining once the constructor is done

    void serve();
    static void* entry(void* self) {
        static_cast<state*>(self)->serve();
        return nullptr;
    }
};

void parser_pool::state::serve() {
    std::unique_lock held{lock};
    while (true) {
        work.wait(held, [this] { return stopping || !queue.empty(); });
        if (queue.empty()) return;
        job next = std::move(queue.front());
        queue.pop_front();
        held.unlock();
        next.done(parse_statement(next.text));
        next = {};  // what the callback holds is released without the lock
        held.lock();
        ++parsed;
    }
}

parser_pool::parser_pool(std::size_t threads, std::size_t queue_limit)
    : state_(std::make_unique<state>()) {
    state_->queue_limit = queue_limit;
    pthread_attr_t attributes;
    if (const int error = pthread_attr_init(&attributes)) {
        throw std::system_error(error, std::generic_category(), "pthread_attr_init");
    }
    int error = pthread_attr_setstacksize(&attributes, stack_bytes);
    for (std::size_t i = 0; error == 0 && i < std::max<std::size_t>(threads, 1); ++i) {
        pthread_t thread{};
        error = pthread_create(&thread, &attributes, &state::entry, state_.get());
        if (error == 0) state_->threads.push_back(thread);
    }
    pthread_attr_destroy(&attributes);
    if (state_->threads.empty()) {
        throw std::system_error(error, std::generic_category(), "cannot start a parser thread");
    }
}

parser_pool::~parser_pool() {
    stop();
}

void parser_pool::submit(std::string text, callback done) {
    {
        const std::lock_guard held{state_->lock};
        if (!state_->stopping && state_->queue.size() < state_->queue_limit) {
            state_->queue.push_back({std::move(text), std::move(done)});
            done = nullptr;
        } else {
            ++state_->refused;
        }
    }
    if (done) {
        done(refused_facts());
    } else {
        state_->work.notify_one();
    }
}

void parser_pool::stop() {
    {
        const std::lock_guard held{state_->lock};
        state_->stopping = true;
    }
    state_->work.notify_all();
    const std::lock_guard held{state_->joining};
    for (const pthread_t thread : state_->threads) {
        pthread_join(thread, nullptr);
    }
    state_->threads.clear();
}

parser_pool::counters parser_pool::read_counters() const {
    const std::lock_guard held{state_->lock};
    return {state_->parsed, state_->refused, state_->queue.size()};
}

}  // namespace weir::querycache::sql
