#include "pool/cancel_registry.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

namespace weir::pool {
namespace {

TEST(CancelRegistry, FindsTheClientOfAKey) {
    cancel_registry registry;
    const auto key = registry.add(3, 77);
    ASSERT_TRUE(key);
    const auto target = registry.find(key.process_id(), key.secret_key());
    ASSERT_TRUE(target);
    EXPECT_EQ(target->worker, 3U);
    EXPECT_EQ(target->client, 77U);
}

TEST(CancelRegistry, FindsNothingForAWrongKey) {
    cancel_registry registry;
    const auto key = registry.add(1, 1);
    const std::string secret{key.secret_key()};
    for (unsigned bit = 0; bit < 32; ++bit) {
        std::string wrong = secret;
        wrong[bit / 8] = static_cast<char>(wrong[bit / 8] ^ (1 << bit % 8));
        EXPECT_FALSE(registry.find(key.process_id(), wrong));
        EXPECT_FALSE(registry.find(key.process_id() ^ (1U << bit), secret));
    }
    for (std::size_t size = 0; size < secret.size(); ++size) {
        EXPECT_FALSE(registry.find(key.process_id(), secret.substr(0, size)));
    }
    EXPECT_FALSE(registry.find(key.process_id(), secret + '\0'));
    EXPECT_FALSE(registry.find(0, secret));
}

TEST(CancelRegistry, GivesSecretsAsLongAsAskedFor) {
    cancel_registry registry;
    const auto one = registry.add(1, 1);
    const auto two = registry.add(1, 2, cancel_registry::long_secret);
    const auto three = registry.add_as(4711, 1, 3, cancel_registry::long_secret);
    EXPECT_EQ(one.secret_key().size(), 4U);
    EXPECT_EQ(two.secret_key().size(), 32U);
    EXPECT_EQ(registry.find(4711, three.secret_key())->client, 3U);
    EXPECT_FALSE(registry.find(two.process_id(), two.secret_key().substr(0, 4)));
}

TEST(CancelRegistry, ForgetsAKeyWithItsRegistration) {
    cancel_registry registry;
    auto key = registry.add(1, 1);
    const auto process_id = key.process_id();
    const std::string secret{key.secret_key()};
    key.reset();
    EXPECT_FALSE(key);
    EXPECT_FALSE(registry.find(process_id, secret));
    EXPECT_EQ(registry.size(), 0U);
    key.reset();
}

TEST(CancelRegistry, MovesARegistrationWithItsKey) {
    cancel_registry registry;
    auto first = registry.add(1, 1);
    const auto process_id = first.process_id();
    auto second = std::move(first);
    EXPECT_EQ(second.process_id(), process_id);
    EXPECT_TRUE(registry.find(process_id, second.secret_key()));
    second = registry.add(1, 2);
    EXPECT_FALSE(registry.find(process_id, ""));
    EXPECT_EQ(registry.size(), 1U);
}

TEST(CancelRegistry, GivesPositiveProcessIdsAndDifferentSecrets) {
    cancel_registry registry;
    std::vector<cancel_registry::registration> keys;
    std::set<std::uint32_t> ids;
    std::set<std::string> secrets;
    for (std::uint64_t client = 0; client < 2'000; ++client) {
        keys.push_back(registry.add(0, client));
        EXPECT_GT(static_cast<std::int32_t>(keys.back().process_id()), 0);
        ids.insert(keys.back().process_id());
        secrets.emplace(keys.back().secret_key());
    }
    EXPECT_EQ(ids.size(), 2'000U);
    EXPECT_GT(secrets.size(), 1'990U) << "32 random bits collide now and then, not often";
    EXPECT_EQ(registry.size(), 2'000U);
    for (std::uint64_t client = 0; client < 2'000; ++client) {
        EXPECT_EQ(
            registry.find(keys[client].process_id(), keys[client].secret_key())->client, client
        );
    }
}

TEST(CancelRegistry, TakesAServersProcessIdOnce) {
    cancel_registry registry;
    auto first = registry.add_as(4242, 0, 1);
    ASSERT_TRUE(first);
    EXPECT_EQ(first.process_id(), 4242U);
    EXPECT_FALSE(registry.add_as(4242, 0, 2));
    EXPECT_EQ(registry.find(4242, first.secret_key())->client, 1U) << "the first keeps it";
    first.reset();
    EXPECT_TRUE(registry.add_as(4242, 0, 2));
    EXPECT_FALSE(registry.add_as(0, 0, 3));
}

TEST(CancelRegistry, OutlivedByItsRegistrations) {
    cancel_registry::registration key;
    {
        cancel_registry registry;
        key = registry.add(0, 1);
    }
    EXPECT_TRUE(key);
    key.reset();
    EXPECT_FALSE(key);
}

TEST(CancelRegistry, IsThreadSafe) {
    cancel_registry registry;
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (unsigned worker = 0; worker < 4; ++worker) {
        threads.emplace_back([&registry, &wrong, worker] {
            for (std::uint64_t i = 0; i < 2'000; ++i) {
                const auto key = registry.add(worker, i);
                const auto target = registry.find(key.process_id(), key.secret_key());
                if (!target || target->worker != worker || target->client != i) ++wrong;
            }
        });
    }
    for (auto& thread : threads)
        thread.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(registry.size(), 0U);
}

TEST(CancelGate, LetsACancelThroughOnlyForTheLeaseItWasMeantFor) {
    cancel_gate gate;
    EXPECT_FALSE(gate.begin(0)) << "nobody has the server";
    const auto first = gate.begin_lease();
    EXPECT_NE(first, 0U);
    EXPECT_EQ(gate.lease(), first);
    gate.end_lease();
    EXPECT_EQ(gate.lease(), 0U);
    EXPECT_FALSE(gate.begin(first)) << "released before it was sent: dropped";
    const auto second = gate.begin_lease();
    EXPECT_NE(second, first);
    EXPECT_FALSE(gate.begin(first)) << "it would hit the next client's query";
    EXPECT_TRUE(gate.begin(second));
}

TEST(CancelGate, HoldsAServerUntilTheLastCancelHasEnded) {
    cancel_gate gate;
    const auto lease = gate.begin_lease();
    ASSERT_TRUE(gate.begin(lease));
    ASSERT_TRUE(gate.begin(lease));
    EXPECT_EQ(gate.in_flight(), 2U);
    gate.end_lease();
    EXPECT_FALSE(gate.finish());
    EXPECT_FALSE(gate.empty());
    EXPECT_TRUE(gate.finish()) << "parked and free now";
    EXPECT_TRUE(gate.empty());
}

TEST(CancelGate, DoesNotReleaseAServerThatIsStillLeased) {
    cancel_gate gate;
    ASSERT_TRUE(gate.begin(gate.begin_lease()));
    EXPECT_FALSE(gate.finish());
    EXPECT_TRUE(gate.empty());
}

TEST(CancelGate, IgnoresAnEndTooMany) {
    cancel_gate gate;
    EXPECT_FALSE(gate.finish());
    EXPECT_EQ(gate.in_flight(), 0U);
}

}  // namespace
}  // namespace weir::pool
