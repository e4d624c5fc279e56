// What a hit costs in the store: the keyed hash, the shard's lock, the table, one reference, and
// the comparison of the key. With two threads on keys of their own and on one key that both want,
// which is the most that the shards' locks can hurt.
#include "querycache/store.hpp"

#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

namespace cache = weir::querycache;

namespace {

constexpr std::size_t keys = 4096;
constexpr std::size_t shards = 16;

/// A store that holds the replies to `keys` texts.
struct filled_store {
    filled_store() {
        using namespace std::chrono_literals;
        for (const cache::oid relation : {0, 0, 1})
            tables.push_back(std::make_unique<cache::version_slot>(relation));
        cache::stamp stamp;
        for (auto& each : tables)
            (void)stamp.add(each.get(), cache::consistency::after_commit);
        const std::string reply(512, 'r');
        for (std::size_t i = 0; i < keys; ++i) {
            texts.push_back(
                "SELECT id, name, price FROM products WHERE category = 'tools' AND price < " +
                std::to_string(i)
            );
            const auto k = key(i);
            std::string bytes(k.size(), '\0');
            k.write(bytes.data());
            cache::entry_parts parts;
            parts.key = bytes;
            parts.hash = k.hash(secret);
            parts.reply = reply;
            parts.depends_on = &stamp;
            parts.ttl = 60s;
            parts.rule = rule;
            parts.cost = 200us;
            (void)store.insert(cache::entry::make(parts));
        }
    }

    [[nodiscard]] cache::key_view key(std::size_t i) const {
        return {&scope, {cache::reply_shape::simple, texts[i], {}, {}}};
    }

    cache::hash_secret secret;
    cache::key_scope scope = cache::make_key_scope(
        secret, {1, 2}, cache::sharing::user, "app", "DateStyle=ISO, MDY;TimeZone=UTC"
    );
    std::vector<std::unique_ptr<cache::version_slot>> tables;
    std::shared_ptr<cache::rule_counters> rule = std::make_shared<cache::rule_counters>("r");
    std::vector<std::string> texts;
    cache::store store{64U << 20, shards};
};

filled_store& filled() {
    static filled_store one;
    return one;
}

void find(benchmark::State& state, bool same_key) {
    auto& of = filled();
    std::size_t i = static_cast<std::size_t>(state.thread_index()) * 977;
    for (auto _ : state) {
        const auto k = of.key(same_key ? 7 : i++ % keys);
        auto found = of.store.find(k.hash(of.secret), k);
        if (!found) state.SkipWithError("the entry is gone");
        benchmark::DoNotOptimize(found);
    }
}
BENCHMARK_CAPTURE(find, many_keys, false)->Threads(1)->Threads(2)->UseRealTime();
BENCHMARK_CAPTURE(find, one_key, true)->Threads(1)->Threads(2)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
