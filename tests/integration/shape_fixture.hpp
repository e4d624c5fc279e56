// A table whose columns change under statements that are prepared for it.
#pragma once

#include "tests/integration/fixture.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::test {

class shape_fixture : public testing::Test {
protected:
    void SetUp() override {
        prepare_shop();
        shared_postgres().execute(
            "DROP TABLE IF EXISTS shape; CREATE TABLE shape (id integer); INSERT INTO shape VALUES "
            "(1)",
            "shop"
        );
    }

    static std::string one_server() { return configuration({.pool = "size: 1, overflow: 0"}); }
    static raw_client login(daemon_process const& daemon) {
        return raw_client::logged_in(daemon.port(), "postgres", "shop");
    }
    static std::string run_without_describe(std::string const& name) {
        return frontend::bind("", name) + frontend::execute("") + frontend::sync();
    }
};

}  // namespace weir::test
