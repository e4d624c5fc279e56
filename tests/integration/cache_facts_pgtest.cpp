// What the SQL parser has found out about one text is never used for another, whatever the client
// has sent meanwhile and wherever its first answer came from.
#include "tests/integration/cache_fixture.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::test {
namespace {

class cache_facts : public testing::Test {
protected:
    void SetUp() override { refill_shop(); }
};

raw_client log_in(daemon_process const& daemon) {
    return raw_client::logged_in(daemon.port(), "postgres", "shop");
}

// A text that the one parser thread needs milliseconds for and that was never seen before.
// PostgreSQL refuses it at once: too many columns.
std::string heavy(int number) {
    std::string sql = "SELECT 1 AS heavy_" + std::to_string(number);
    for (int column = 0; column < 12000; ++column) {
        sql += ",1";
    }
    return sql;
}

// The daemon's one loop has taken everything that was sent before, large texts in several reads.
void let_the_loop_read(raw_client& bystander) {
    for (int n = 0; n < 12; ++n) {
        bystander.ask(frontend::sync());  // answered without a server or the parser
    }
}

// The order in the parser's queue: heavy texts, the first client's SELECT, heavy texts, the second
// client's same SELECT. While the second waits for the facts, the first client's answer is stored,
// so that the second is answered from memory and needs no facts. They come all the same; what
// follows is a write, and taken for the SELECT it would make nothing disappear.
TEST_F(cache_facts, OfAStatementThatMemoryAnsweredMeanwhileAreNotTheNextOnes) {
    daemon_process const daemon(
        cache_configuration("{name: everything, databases: [shop], ttl: 1h}", "", {.threads = "1"})
    );
    pq_connection reader(daemon.dsn("shop"));
    cached(daemon, reader, "SELECT value FROM items WHERE id = 1");
    auto bystander = log_in(daemon);
    auto one = log_in(daemon);
    auto two = log_in(daemon);
    std::vector<raw_client> busy;
    for (int n = 0; n < 6; ++n) {
        busy.push_back(log_in(daemon));
    }
    int from_memory = 0;
    for (int round = 1; round <= 20 && from_memory < 3; ++round) {
        auto const select =
            "SELECT value AS seen_" + std::to_string(round) + " FROM items WHERE id = 1";
        auto const occupy = [&](std::size_t begin, std::size_t end) {
            for (auto n = begin; n < end; ++n) {
                busy[n].send(frontend::query(heavy(round * 100 + static_cast<int>(n))));
            }
            let_the_loop_read(bystander);
        };
        occupy(0, 3);
        one.send(frontend::query(select));
        let_the_loop_read(bystander);
        occupy(3, 6);
        double const before = hits(daemon);
        two.send(frontend::query(select));
        let_the_loop_read(bystander);
        two.send(
            frontend::query("UPDATE items SET value = " + std::to_string(round) + " WHERE id = 1")
        );

        one.read_until('Z');
        auto const answers = two.read_until('Z', 2);
        EXPECT_EQ(types(answers), "TDCZCZ");
        from_memory += hits(daemon) > before ? 1 : 0;
        EXPECT_EQ(reader.scalar(select), std::to_string(round)) << "the write was taken for a read";
        for (auto& client : busy) {
            EXPECT_EQ(first(client.read_until('Z'), 'E').field('C'), "54011");
        }
    }
    EXPECT_GE(from_memory, 1) << "not the order of things that this test is about";
}

}  // namespace
}  // namespace weir::test
