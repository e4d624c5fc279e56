// A conformance script: what a client sends and when it reads, as text. Pure but for
// load_scripts().
//
//     === name                      begins a script; lines before the first one and lines with #
//     are comments setup SQL                     run by the superuser before each run, on a
//     connection of its own has TEXT                      PostgreSQL's own transcript must hold
//     TEXT, or the script tests something else login NAME=VALUE ...          connects with these
//     parameters and puts the replies into the transcript read TYPE [COUNT]             sends what
//     was gathered and reads up to the COUNTth message of this type end sends what was gathered and
//     reads to the end of the stream Q SQL · P NAME [OID ...] SQL · B PORTAL STATEMENT VALUE...
//     fmt=1,0 res=1 · D S|P NAME · C S|P NAME · E PORTAL [ROWS] H · S · d BYTES · c · f REASON · F
//     OID VALUE... · X · raw 0xBYTES
//
// The name - is empty. VALUE is a word, "text", NULL or 0x bytes. \n \t \0 \\ and \" are escapes. A
// line that begins with @b speaks on a second connection, which logs in when it is first used.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace weir::test {

struct script_line {
    int number = 0;
    std::string connection = "a";
    std::string verb;
    std::string rest;  // all after the verb, escapes untouched
};

struct script {
    std::string name;
    std::vector<std::string> setup;
    std::vector<std::string> has;
    std::vector<std::string> ours;
    std::vector<std::string> differs;  // modes
    std::vector<script_line> lines;
};

/// All scripts of a folder's *.txt files, in order. Throws with file and line when one makes no
/// sense.
std::vector<script> load_scripts(std::filesystem::path const& folder);

/// The bytes of one sending line. Throws on an unknown verb.
std::string frontend_bytes(script_line const& line);

/// Words of a line; "quoted text" is one word that begins with a quote.
std::vector<std::string> words(std::string const& text);
std::string unescaped(std::string const& text);

}  // namespace weir::test
