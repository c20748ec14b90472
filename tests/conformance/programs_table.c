/* SPDX-License-Identifier: MIT */
/* The programs, one a row, and their inputs: words, C sources, SQL, and a program a language. What a row needs beyond
 * coreutils is a Debian package; a row without it is named as skipped and never counted. */
#include "programs_table.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define LIB "/usr/lib/x86_64-linux-gnu/"
#define POSTGRES "/usr/lib/postgresql/15/bin/"
#define DETAILED PROGRAM_DETAILED
#define SMOKE PROGRAM_SMOKE
#define VARIES PROGRAM_VARIES

/* clang-format off */
const struct program programs_table[] = {
    {"sort", "C: a sort in memory", DETAILED, "sort", NULL,
     {"/usr/bin/sort", "--parallel=1", "-S", "8M", "words"}},
    {"cc1", "C: a compiler", DETAILED, "/usr/lib/gcc/x86_64-linux-gnu/12/cc1", NULL,
     {"/usr/lib/gcc/x86_64-linux-gnu/12/cc1", "-quiet", "-O1", "unit.c", "-o", "unit.s"}},
    {"python3", "Python", DETAILED, "python3", NULL,
     {"/usr/bin/python3", "-S", "-c", "d={i:str(i) for i in range(20000)}; print(len(sorted(d.values())))"}},
    {"sqlite3", "SQLite in memory", DETAILED, "sqlite3", NULL, {"/usr/bin/sqlite3", ":memory:", ".read rows.sql"}},
    {"xz", "xz, one thread", DETAILED, "xz", NULL, {"/usr/bin/xz", "-T1", "-1", "-k", "-c", "words"}},
    {"git", "git hash-object", DETAILED | SMOKE, "git", NULL,
     {"/usr/bin/git", "hash-object", "words", "unit.c", "rows.sql"}},
    {"bzip2", "bzip2", DETAILED, "bzip2", NULL, {"/bin/bzip2", "-c", "words"}},
    {"tar", "tar", DETAILED | SMOKE, "tar", NULL, {"/bin/tar", "cf", "/dev/null", "words", "unit.c", "rows.sql"}},
    {"dash", "forks of a shell", DETAILED | SMOKE, "dash", NULL,
     {"/bin/dash", "-c", "i=0; while [ $i -lt 40 ]; do (:); /bin/true; i=$((i+1)); done"}},
    {"bash", "pipes of a shell", DETAILED, "bash", NULL,
     {"/bin/bash", "-c", "sort words | uniq -c | tail -n 3; for i in 1 2 3 4 5 6; do (:); done"}},
    {"malloc", "C: malloc and calloc", SMOKE, "gcc", "gcc -O1 -o alloc alloc.c", {"./alloc"}},
    {"static", "static binary", SMOKE, "gcc", "gcc -O1 -static -o alloc.static alloc.c", {"./alloc.static"}},
    {"musl", "musl binary", 0, "musl-gcc", "musl-gcc -O1 -o alloc.musl alloc.c", {"./alloc.musl"}},
    {"asan", "AddressSanitizer and its leak checker", 0, "gcc " LIB "libasan.so.8",
     "gcc -O1 -fsanitize=address -o alloc.asan alloc.c", {"./alloc.asan"}},
    {"jemalloc", "jemalloc preloaded", 0, "gcc " LIB "libjemalloc.so.2", "gcc -O1 -o alloc alloc.c",
     {"/usr/bin/env", "LD_PRELOAD=libjemalloc.so.2", "./alloc"}},
    {"mimalloc", "mimalloc preloaded", 0, "gcc " LIB "libmimalloc.so.2", "gcc -O1 -o alloc alloc.c",
     {"/usr/bin/env", "LD_PRELOAD=libmimalloc.so.2", "./alloc"}},
    {"tcmalloc", "tcmalloc preloaded", 0, "gcc " LIB "libtcmalloc_minimal.so.4", "gcc -O1 -o alloc alloc.c",
     {"/usr/bin/env", "LD_PRELOAD=libtcmalloc_minimal.so.4", "./alloc"}},
    {"dies", "dies of SIGSEGV", SMOKE, "gcc", "gcc -O1 -DEND='*(volatile int *)0=1' -o dies end.c", {"./dies"}},
    {"killed", "is killed", SMOKE, "gcc", "gcc -O1 -DEND='kill(getpid(),SIGKILL)' -o killed end.c", {"./killed"}},
    {"c++", "C++ containers", 0, "g++", "g++ -O1 -o map map.cc", {"./map"}},
    {"g++", "driver and C++ compiler", 0, "g++", NULL, {"/usr/bin/g++", "-O0", "-S", "-o", "unit.s", "small.cc"}},
    {"gcc", "driver, compiler, assembler, linker", 0, "gcc", NULL,
     {"/usr/bin/gcc", "-O1", "-o", "alloc.again", "alloc.c"}},
    {"make", "make -j2", 0, "make gcc", "for i in 1 2 3 4; do echo \"int f$i(int a) { return a * $i; }\" >m$i.c; done",
     {"/usr/bin/make", "-B", "-j2", "-s", "-f", "objects.mk"}},
    {"rg", "Rust: ripgrep", VARIES, "rg", NULL, {"/usr/bin/rg", "-j1", "-c", "some", "words", "unit.c"}},
    {"rg-threads", "Rust: ripgrep, threads", VARIES, "rg", NULL, {"/usr/bin/rg", "-j4", "-c", "some", "."}},
    {"go", "Go program", 0, "go", "HOME=$PWD GOCACHE=$PWD/gocache go build -o sums sums.go", {"./sums"}},
    {"java", "Java, interpreted", 0, "java javac", "javac Sums.java",
     {"/usr/bin/java", "-Xint", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xmx32m", "Sums"}},
    {"node", "node", 0, "node", NULL,
     {"/usr/bin/node", "-e",
      "a=[];for(i=0;i<30000;i++)a.push(String(i*7919%10007));a.sort();console.log(a.length)"}},
    {"numpy", "numpy", 0, "python3 /usr/lib/python3/dist-packages/numpy", NULL,
     {"/usr/bin/python3", "-c", "import numpy as n; a=n.ones((300,300)); print((a@a).sum())"}},
    {"ruby", "Ruby", 0, "ruby", NULL, {"/usr/bin/ruby", "-e", "a=(1..20000).map{|i| i.to_s}; puts a.sort.size"}},
    {"perl", "Perl", 0, "perl", NULL,
     {"/usr/bin/perl", "-e", "my %h; $h{$_*7919%10007}=$_ for 1..30000; print join(',',(sort keys %h)[0..5]),\"\\n\""}},
    {"lua", "Lua", 0, "lua5.4", NULL,
     {"/usr/bin/lua5.4", "-e",
      "t={} for i=1,30000 do t[i]=tostring(i*7919%10007) end table.sort(t) print(#t)"}},
    {"php", "PHP", 0, "php", NULL,
     {"/usr/bin/php", "-r",
      "$a=[]; for($i=0;$i<50000;$i++) $a[]='s'.($i*7919%10007); sort($a); echo count($a),\"\\n\";"}},
    {"tcl", "Tcl", 0, "tclsh", NULL, {"/usr/bin/tclsh", "sums.tcl"}},
    {"awk", "awk", 0, "awk", NULL, {"/usr/bin/awk", "{n[$2%997]+=$2} END {for (i in n) s+=n[i]; print s}", "words"}},
    {"pipeline", "five programs in a pipe", 0, "awk", NULL,
     {"/bin/sh", "-c", "sort words | uniq -c | sed s/some/any/ | awk '{n+=$2} END {print NR}' | tee lines"}},
    {"git-clone", "git clone", 0, "git",
     "git init -q repo && cd repo && for i in 1 2 3 4; do (cat ../words; echo $i) >f$i; git add f$i; "
     "git -c user.name=a -c user.email=a@b commit -qm $i; done",
     {"/bin/sh", "-c", "rm -rf clone; git clone -q repo clone"}},
    {"redis", "redis with load", VARIES, "redis-server redis-benchmark", NULL, {"/bin/sh", "redis.sh"}},
    {"postgres", "postgres, single user", VARIES, POSTGRES "postgres",
     "chmod 755 .; install -d -o nobody pg; /usr/sbin/runuser -u nobody -- " POSTGRES "initdb -A trust -D pg/data -N >/dev/null",
     {"/bin/sh", "-c",
      "/usr/sbin/runuser -u nobody -- " POSTGRES "postgres --single -D pg/data postgres <pg.sql"}},
    {"sqlite3-file", "SQLite on a file", 0, "sqlite3", NULL,
     {"/bin/sh", "-c", "rm -f rows.db; sqlite3 rows.db <rows.sql"}},
    {"ffmpeg", "ffmpeg", VARIES, "ffmpeg", NULL,
     {"/usr/bin/ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=duration=1:size=160x120:rate=10", "-c:v", "mpeg4",
      "-y", "test.avi"}},
    {"imagemagick", "ImageMagick", 0, "convert-im6.q16", NULL,
     {"/usr/bin/convert-im6.q16", "-size", "300x200", "gradient:red-blue", "-blur", "0x2", "test.png"}},
    {"zstd", "zstd, two threads", 0, "zstd", NULL, {"/usr/bin/zstd", "-T2", "-3", "-q", "-c", "words"}},
    {"xz-threads", "xz, two threads", 0, "xz", NULL,
     {"/usr/bin/xz", "-T2", "-1", "-k", "-c", "--block-size=1MiB", "words"}},
    {"pigz", "pigz, two threads", 0, "pigz", NULL, {"/usr/bin/pigz", "-p", "2", "-c", "words"}},
    {"sort-threads", "sort, two threads", 0, "sort", NULL,
     {"/usr/bin/sort", "--parallel=2", "-S", "8M", "words"}},
    {"py-threads", "Python, four threads", 0, "python3", NULL, {"/usr/bin/python3", "threads.py"}},
    {"bash-loop", "a loop of a shell", 0, "bash", NULL,
     {"/bin/bash", "-c", "x=0; for i in {1..5000}; do x=$((x+i)); a[$i]=$x; done; echo ${#a[@]}"}},
    {"xargs", "xargs, two at a time", VARIES, "xargs", NULL,
     {"/usr/bin/xargs", "-a", "words", "-n", "2000", "-P", "2", "/bin/echo"}},
    {"find-xargs", "find, xargs, ls and wc in a pipe", 0, "find xargs", NULL,
     {"/bin/sh", "-c", "find /usr/share/doc -name '*.gz' | head -n 200 | xargs -n 20 ls -l | wc -l"}},
    {"perl-forks", "forks of Perl", 0, "perl", NULL,
     {"/usr/bin/perl", "-e",
      "for (1..10) { my $p=fork; if(!$p){ my @a=map {$_*2} 1..5000; exit 0 } waitpid $p,0 } print \"done\\n\""}},
    {"objdump", "objdump", 0, "objdump", NULL, {"/usr/bin/objdump", "-d", "/bin/true"}},
    {"nm", "nm", 0, "nm", NULL, {"/usr/bin/nm", "-D", LIB "libc.so.6"}},
    {"diff", "diff", 0, "diff", NULL, {"/bin/sh", "-c", "diff words rows.sql; :"}},
    {"file", "file", 0, "file", NULL, {"/usr/bin/file", "/bin/bash", "/bin/ls"}},
    {"find", "find", 0, "find", NULL, {"/usr/bin/find", "/usr/share/doc", "-name", "*.gz", "-newer", "words"}},
    {"grep", "grep", SMOKE, "grep", NULL, {"/bin/grep", "-c", "some", "words", "unit.c", "rows.sql"}},
    {"jq", "jq", 0, "jq", NULL, {"/usr/bin/jq", "-n", "[range(20000)]|map(tostring)|sort|length"}},
    {"gdb", "gdb reads symbols", 0, "gdb gcc", "gcc -O1 -o alloc alloc.c",
     {"/usr/bin/gdb", "-batch", "-ex", "info functions main", "./alloc"}},
    {"vim", "vim", VARIES, "vim", NULL, {"/usr/bin/vim", "-es", "-c", "%s/some/any/g", "-c", "q!", "unit.c"}},
    {"curl", "curl, a file", 0, "curl", NULL, {"/bin/sh", "-c", "exec curl -s -o copy file://$PWD/words"}},
    {"dpkg-query", "dpkg-query -l", 0, "dpkg-query", NULL, {"/usr/bin/dpkg-query", "-l"}},
    {"bc", "bc", SMOKE, "bc", NULL, {"/bin/sh", "-c", "echo 'scale=200; a(1)*4' | bc -l"}},
    {"openssl", "openssl", SMOKE, "openssl", NULL, {"/usr/bin/openssl", "dgst", "-sha256", "words"}},
    {"cmake", "cmake", 0, "cmake", NULL, {"/usr/bin/cmake", "--help-command-list"}},
    {"valgrind", "valgrind, a program in its JIT", VARIES, "valgrind", NULL, {"/usr/bin/valgrind", "-q", "/bin/true"}},
    {"ruby-forks", "forks, threads and signals of Ruby", 0, "ruby", NULL,
     {"/usr/bin/ruby", "-e", "t = 3.times.map { Thread.new { (1..3000).map(&:to_s).sort.size } }; puts t.sum(&:value); "
                             "5.times { Process.wait(fork { exit!(0) }) }"}},
    {"gold", "a second linker", 0, "gcc ld.gold", NULL, {"/usr/bin/gcc", "-fuse-ld=gold", "-o", "gold.out", "alloc.c"}},
};
/* clang-format on */
const size_t programs_count = sizeof programs_table / sizeof programs_table[0];

/* ---- inputs ---- */

static FILE *create(const char *folder, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    if (!f) {
        perror(path);
        exit(1);
    }
    return f;
}

static const struct {
    const char *name, *text;
} sources[] = {
    {"alloc.c", "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
                "static char *t[2000], *big;\n"
                "int main(void) {\n"
                "    long s = 0;\n"
                "    for (int r = 0; r < 20; r++) {\n"
                "        for (int i = 0; i < 2000; i++) memset(t[i] = malloc(100 + i % 3000), r, 100);\n"
                "        for (int i = 0; i < 2000; i++) { s += t[i][5]; free(t[i]); }\n"
                "    }\n"
                "    big = calloc(1, 8 << 20);\n"
                "    for (int i = 0; i < 8 << 20; i += 4096) big[i] = 1;\n"
                "    printf(\"%ld\\n\", s);\n"
                "    return 0;\n}\n"},
    {"end.c", "#include <signal.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n"
              "char *p;\n"
              "int main(void) { memset(p = malloc(1 << 20), 1, 1 << 20); END; pause(); }\n"},
    {"map.cc", "#include <map>\n#include <string>\n#include <iostream>\n"
               "int main() {\n"
               "    std::map<std::string, int> m;\n"
               "    for (int i = 0; i < 60000; i++) m[std::to_string(i * 7919 % 100003)] += i;\n"
               "    std::cout << m.size() << '\\n';\n}\n"},
    {"small.cc",
     "#include <vector>\nint sum(const std::vector<int> &v) { int s = 0; for (int i : v) s += i; return s; }\n"},
    {"sums.go", "package main\n\nimport (\n\t\"fmt\"\n\t\"sort\"\n)\n\n"
                "func main() {\n\tm := map[string]int{}\n"
                "\tfor i := 0; i < 60000; i++ {\n\t\tm[fmt.Sprint(i*7919%100003)] += i\n\t}\n"
                "\tk := make([]string, 0, len(m))\n\tfor s := range m {\n\t\tk = append(k, s)\n\t}\n"
                "\tsort.Strings(k)\n\tc := make(chan int)\n"
                "\tfor i := 0; i < 4; i++ {\n\t\tgo func(n int) { c <- len(k[n]) }(i)\n\t}\n"
                "\tt := 0\n\tfor i := 0; i < 4; i++ {\n\t\tt += <-c\n\t}\n\tfmt.Println(len(k), t)\n}\n"},
    {"Sums.java", "import java.util.*;\npublic class Sums {\n    public static void main(String[] a) {\n"
                  "        Map<String, Integer> m = new TreeMap<>();\n"
                  "        for (int i = 0; i < 20000; i++) m.merge(\"\" + (i * 7919 % 10007), i, Integer::sum);\n"
                  "        System.out.println(m.size());\n    }\n}\n"},
    {"sums.tcl", "set l {}\nfor {set i 0} {$i < 20000} {incr i} {lappend l [expr {$i * 7919 % 10007}]}\n"
                 "puts [llength [lsort $l]]\n"},
    {"threads.py",
     "import threading\nl = []\n\ndef f(n):\n    l.append(len(sorted(str(i) for i in range(n * 1000))))\n\n"
     "t = [threading.Thread(target=f, args=(i,)) for i in range(4)]\n"
     "[x.start() for x in t]\n[x.join() for x in t]\nprint(len(l))\n"},
    {"objects.mk", "all: m1.o m2.o m3.o m4.o\n%.o: %.c\n\tgcc -O1 -c -o $@ $<\n"},
    {"redis.sh", "rm -f redis.sock\n"
                 "redis-server --port 0 --unixsocket redis.sock --save '' --loglevel warning >/dev/null &\n"
                 "while [ ! -S redis.sock ]; do :; done\n" /* no sleep: how many would depend on the speed */
                 "redis-benchmark -s redis.sock -q -n 4000 -c 5 -t set,get,lpush -r 1000 -d 200 >/dev/null\n"
                 "redis-cli -s redis.sock shutdown nosave\nwait\n"},
    {"pg.sql", "drop table if exists t;\ncreate table t(a int primary key, b text);\n"
               "insert into t select i, 'row number ' || i from generate_series(1,3000) i;\n"
               "select count(*) from t where b like '%7%';\n"},
};

void programs_make_inputs(const char *folder) {
    uint64_t x = UINT64_C(88172645463325252);
    FILE *f = create(folder, "words");
    for (unsigned i = 0; i < 40000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        fprintf(f, "%016" PRIx64 " %u some words of a line\n", x, i);
    }
    fclose(f);
    f = create(folder, "unit.c");
    for (unsigned i = 0; i < 300; i++)
        fprintf(f, "int f%u(int a, int b) { int s = %u; for (int i = 0; i < a; i++) s += i * b ^ %u; return s; }\n", i,
                i, i * 7);
    fclose(f);
    f = create(folder, "rows.sql");
    fprintf(f, "create table t(a integer primary key, b text);\nbegin;\n");
    for (unsigned i = 0; i < 3000; i++)
        fprintf(f, "insert into t values(%u, 'row number %u');\n", i, i * 31);
    fprintf(f, "commit;\nselect count(*), sum(a) from t where b like '%%7%%';\n");
    fclose(f);
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        f = create(folder, sources[i].name);
        fputs(sources[i].text, f);
        fclose(f);
    }
}
