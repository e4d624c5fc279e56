#include "pool/result_shape.hpp"

#include "protocol/row.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::pool {
namespace {

using protocol::field_description;

result_shape of(std::vector<field_description> const& fields) {
    std::string message;
    protocol::write_row_description(message, fields);
    return shape_of(std::string_view{message}.substr(5));
}

TEST(ResultShape, TellsResultsApartAsPostgresDoes) {
    field_description const id{"id", 16384, 1, 23, 4, -1, 0};
    field_description const name{"name", 16384, 2, 25, -1, -1, 0};
    auto const shape = of({id, name});
    EXPECT_EQ(of({id, name}), shape);
    EXPECT_NE(of({name, id}), shape);
    EXPECT_NE(of({id}), shape);
    EXPECT_NE(of({}), of({id}));
    auto other = id;
    other.name = "ID";
    EXPECT_NE(of({other, name}), shape);
    other = id;
    other.type_oid = 20;
    EXPECT_NE(of({other, name}), shape);
    other = id;
    other.type_modifier = 4;
    EXPECT_NE(of({other, name}), shape);
}

TEST(ResultShape, IsTheSameInAnyFormatAndOfAnyTable) {
    field_description const id{"id", 16384, 1, 23, 4, -1, 0};
    auto other = id;
    other.table_oid = 0;
    other.column_number = 7;
    other.format = 1;
    EXPECT_EQ(of({other}), of({id}));
}

TEST(ResultShape, IsNeverTheUnknownOne) {
    EXPECT_NE(of({}), shape_not_known);
    EXPECT_NE(of({}), shape_of_nothing);
    for (auto const* cut : {"", "x", "\x7f\x7fname"}) {
        EXPECT_NE(shape_of(cut), shape_not_known);
        EXPECT_EQ(shape_of(cut), shape_of("y")) << "all that cannot be read are alike";
    }
}

}  // namespace
}  // namespace weir::pool
