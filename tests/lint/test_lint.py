#!/usr/bin/env python3
"""The source checks must be able to fail: each rule is shown a small tree that breaks it, and one that keeps it."""

import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
LAST = '#include "kube_mcp/base/banned.h"\n'


def run(check, files):
    """(exit status, output) of a check over a tree made of `files` (path -> text)."""
    with tempfile.TemporaryDirectory() as root:
        subprocess.run(["git", "init", "-q", root], check=True)
        for path, text in {"include/kube_mcp/base/banned.h": "#define x KM_BANNED(strcpy)\n", **files}.items():
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        done = subprocess.run([sys.executable, os.path.join(HERE, check), root], capture_output=True, text=True)
        return done.returncode, done.stdout


class Case(unittest.TestCase):
    def passes(self, check, files):
        status, output = run(check, files)
        self.assertEqual((status, output.count("clean")), (0, 1), output)

    def fails(self, check, files, *words):
        status, output = run(check, files)
        self.assertEqual(status, 1, output)
        for word in words:
            self.assertIn(word, output)


class Layers(Case):
    def test_downward_edge(self):
        self.passes("layers.py", {"src/kube/a.c": '#include "kube_mcp/base/buf.h"\n#include "kube_mcp/net/http.h"\n'})

    def test_upward_edge(self):
        self.fails("layers.py", {"src/base/a.c": '\n#include "kube_mcp/kube/pool.h"\n'},
                   "src/base/a.c:2:", "base must not include kube")

    def test_upward_edge_in_header(self):
        self.fails("layers.py", {"include/kube_mcp/codec/a.h": '#include "kube_mcp/config/toml.h"\n'},
                   "codec must not include config")

    def test_sideways_edge(self):
        self.fails("layers.py", {"src/kube/a.c": '#include "kube_mcp/mcp/call.h"\n'}, "kube must not include mcp")

    def test_private_header_of_another_layer(self):
        self.fails("layers.py", {"src/kube/a.c": '#include "../net/wait.h"\n'}, "private to net")

    def test_contract_is_not_its_folder(self):
        self.passes("layers.py", {"src/policy/a.c": '#include "kube_mcp/config/field.h"\n'})
        self.fails("layers.py", {"src/policy/a.c": '#include "kube_mcp/config/config.h"\n'}, "must not include config")

    def test_unknown_place(self):
        self.fails("layers.py", {"src/attic/a.c": "int a;\n"}, "belongs to no layer")

    def test_comment_is_no_include(self):
        self.passes("layers.py", {"src/base/a.c": '/*\n#include "kube_mcp/kube/pool.h"\n*/\n'})

    def test_fences(self):
        for path, header in [("src/kube/a.c", "curl/curl.h"), ("src/mcp/a.c", "microhttpd.h"), ("src/net/a.c", "yaml.h"),
                             ("src/codec/json.c", "yaml.h"), ("src/transport/http.c", "gnutls/gnutls.h"),
                             ("src/app/a.c", "uv.h"), ("tests/unit/net/test_a.c", "microhttpd.h")]:
            with self.subTest(header):
                self.fails("layers.py", {path: f"#include <{header}>\n"}, f"<{header}> is allowed only in")
        for path, header in [("src/net/http.c", "curl/curl.h"), ("tests/sim/main.c", "microhttpd.h"),
                             ("src/codec/yaml_value.c", "yaml.h"), ("src/transport/auth.c", "gnutls/crypto.h")]:
            with self.subTest(path):
                self.passes("layers.py", {path: f"#include <{header}>\n"})


class Hardening(unittest.TestCase):
    def findings(self, *flags):
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "program")
            subprocess.run(["gcc", "-O2", "-x", "c", "-", "-o", program, *flags], check=True, text=True,
                           input='#include <stdio.h>\n#include <stdlib.h>\nint main(int argc, char **argv) { char line[64];'
                                 ' snprintf(line, (size_t)argc * 8, "%s", argv[0]); return puts(line); }\n')
            done = subprocess.run([os.path.join(HERE, "hardening"), program], capture_output=True, text=True)
            failed = [line[6:] for line in done.stdout.splitlines() if line.startswith("FAIL")]
            self.assertEqual(done.returncode != 0, bool(failed), done.stdout)
            return failed

    def test_hardened(self):
        self.assertEqual(self.findings("-pie", "-fPIE", "-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2",
                                       "-Wl,-z,relro,-z,now", "-Wl,--strip-all"), [])

    def test_each_loss_is_seen(self):
        plain = self.findings("-no-pie", "-fno-stack-protector", "-U_FORTIFY_SOURCE", "-Wl,-z,norelro,-z,lazy,-z,execstack",
                              "-Wl,-rpath,/opt", "-g")
        self.assertEqual(plain, ["position independent", "RELRO", "immediate binding", "PIE flag", "stack not executable",
                                 "stack protector", "fortified calls", "stripped", "no run path"])


class Source(Case):
    def c(self, body, name="src/base/a.c"):
        return {name: "/* Owns nothing. */\n" + body}

    def test_clean(self):
        self.passes("source.py", self.c('#include "a.h"\n' + LAST + 'int km_strcpy(void); /* strcpy(a) */\n'))

    def test_banned_call(self):
        self.fails("source.py", self.c(LAST + "void f(void) { strcpy (a, b); }\n"), "src/base/a.c:3:", "strcpy() is banned")

    def test_banned_call_in_header(self):
        self.fails("source.py", {"include/kube_mcp/base/a.h": "static int f(void) { return strcpy(a, b); }\n"}, "banned")

    def test_word_in_literal_or_comment(self):
        self.passes("source.py", self.c(LAST + 'const char *a = "strcpy(";\n/* strcpy(a, b) */\n'))

    def test_banned_header_missing_or_not_last(self):
        self.fails("source.py", self.c("#include <stdio.h>\n"), "include it last")
        self.fails("source.py", self.c(LAST + "#include <stdio.h>\n"), "include it last")

    def test_own_header_late(self):
        self.fails("source.py", self.c('#include <stdio.h>\n#include "kube_mcp/base/a.h"\n' + LAST), "own header")

    def test_no_opening_comment(self):
        self.fails("source.py", {"src/base/a.c": LAST}, "open with a comment")

    def test_length(self):
        self.passes("source.py", self.c(LAST + "int x;\n" * 998))
        self.fails("source.py", self.c(LAST + "int x;\n" * 999), "1001 lines")

    def test_unfinished(self):
        self.fails("source.py", self.c(LAST + "/* TO" "DO: later */\n"), "unfinished work")

    def test_machine_path_and_registry(self):
        self.fails("source.py", {"docs/a.md": "cd /wo" "rk/main\n"}, "docs/a.md:1:", "path of one machine")
        self.fails("source.py", {"docs/a.md": "see deb." "debian.org\n"}, "registry")

    def test_trailing_space(self):
        self.fails("source.py", self.c(LAST + "int x; \n"), "white space")


if __name__ == "__main__":
    unittest.main()
