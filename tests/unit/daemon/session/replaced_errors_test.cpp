#include "daemon/session/replaced_errors.hpp"

#include "protocol/sqlstate.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::daemon {
namespace {

client_error duplicate() {
    client_error made;
    made.sqlstate = protocol::sqlstate::duplicate_prepared_statement;
    made.message = "exists";
    made.hint = "another name";
    return made;
}

TEST(ReplacedErrors, AreToldOnceInPlaceOfTheirRequests) {
    replaced_errors errors;
    errors.add(3, duplicate(), true);
    EXPECT_FALSE(errors.take(2, false));
    const auto told = errors.take(3, false);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->message, "exists");
    EXPECT_FALSE(errors.take(3, false));
}

TEST(ReplacedErrors, OlderOnesWereDropped) {
    replaced_errors errors;
    errors.add(3, duplicate(), true);
    errors.add(4, duplicate(), true);
    EXPECT_TRUE(errors.take(4, false));
    EXPECT_FALSE(errors.take(3, false));
}

TEST(ReplacedErrors, AFailedTransactionComesBeforeTheNameOfAParse) {
    replaced_errors errors;
    errors.add(1, duplicate(), true);
    errors.add(2, duplicate(), false);
    const auto parse = errors.take(1, true);
    ASSERT_TRUE(parse);
    EXPECT_EQ(parse->sqlstate, protocol::sqlstate::in_failed_sql_transaction);
    EXPECT_EQ(parse->hint, "");
    EXPECT_EQ(errors.take(2, true)->sqlstate, protocol::sqlstate::duplicate_prepared_statement);
}

TEST(ReplacedErrors, AreForgottenWhenNothingIsOwed) {
    replaced_errors errors;
    errors.add(1, duplicate(), true);
    errors.clear();
    EXPECT_FALSE(errors.take(1, false));
}

}  // namespace
}  // namespace weir::daemon
