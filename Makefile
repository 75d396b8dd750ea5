# mailmill. `make help` lists what can be made; everything made stands beneath build/.

VERSION = 0.1.0

# ---- where things go, for `make install` ---------------------------------------------------------

PREFIX ?= /usr
SYSCONFDIR ?= /etc
LOCALSTATEDIR ?= /var
DESTDIR ?=
sbindir = $(PREFIX)/sbin
bindir = $(PREFIX)/bin
libexecdir = $(PREFIX)/lib/mailmill
docdir = $(PREFIX)/share/doc/mailmill
mandir = $(PREFIX)/share/man
completiondir = $(PREFIX)/share/bash-completion/completions
unitdir = $(PREFIX)/lib/systemd/system
sysusersdir = $(PREFIX)/lib/sysusers.d
tmpfilesdir = $(PREFIX)/lib/tmpfiles.d
default_config = $(SYSCONFDIR)/mailmill/mailmill.conf

# ---- variants ------------------------------------------------------------------------------------
# A variant is the same rules with another BUILD, and with what sets it apart in VARIANT_FLAGS:
#     make BUILD=build/fault VARIANT_FLAGS=-DMAILMILL_FAULTS

BUILD ?= build
VARIANT_FLAGS ?=
OPTIMISE ?= -O2 -D_FORTIFY_SOURCE=3
WERROR ?=

check_variant = BUILD=build/check CC=gcc
fault_variant = BUILD=build/fault CC=gcc VARIANT_FLAGS=-DMAILMILL_FAULTS
asan_variant = BUILD=build/asan CC=gcc OPTIMISE=-O1 \
	VARIANT_FLAGS="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
fuzz_variant = BUILD=build/fuzz CC=clang OPTIMISE=-O1 \
	VARIANT_FLAGS="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all"
# Without those of gcc's checks that lose sight of what a caller's struct owns; valgrind and ASan look after that.
analyzer_variant = BUILD=build/analyzer CC=gcc VARIANT_FLAGS="-fanalyzer -Wno-analyzer-malloc-leak \
	-Wno-analyzer-double-free -Wno-analyzer-use-of-uninitialized-value"

# One short line for each step; V=1 shows the commands.
Q = $(if $(V),,@)
say = $(if $(V),,@echo "  $(1)" $(2))

# ---- flags ---------------------------------------------------------------------------------------

CC = cc
CFLAGS ?= -g
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wformat=2 -Wcast-qual -Wundef -Wvla -Wswitch-enum
# Texts stand with the code that they belong to, and not among those of all libraries: a process reads them from a few
# pages, and each of the others would have to be fetched for it. Not every compiler can be told.
LAYOUT := $(shell $(CC) -Werror -fno-merge-constants -x c -c -o /dev/null /dev/null 2> /dev/null && \
	echo -fno-merge-constants)
HARDENING = -fstack-protector-strong -fstack-clash-protection -fPIE \
	$(if $(filter x86_64 i%86,$(shell uname -m)),-fcf-protection)
DEFINES = -D_GNU_SOURCE -DMAILMILL_VERSION='"$(VERSION)"' -DMAILMILL_LIBEXECDIR='"$(libexecdir)"' \
	-DMAILMILL_CONFIG='"$(default_config)"'
COMPILE = $(CC) -std=c17 $(DEFINES) -I. -I$(BUILD)/gen $(PKG_CFLAGS) $(WARNINGS) $(HARDENING) $(LAYOUT) -fno-common \
	$(OPTIMISE) $(CFLAGS) $(VARIANT_FLAGS) $(if $(WERROR),-Werror)
PIE = -pie
LINK = $(CC) $(VARIANT_FLAGS) $(PIE) -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)

# ---- handlers ------------------------------------------------------------------------------------
# In processor/handlers/: a file without a suffix is a script, and goes as it is. Those in C are named here; the main
# of `strip-diff` is in strip_diff.c, and what several share, or tests want to see, in the other files of the room.

c_handlers = strip-diff list-filter save-attachments webhook
script_handlers = $(notdir $(filter-out %.c %.h,$(wildcard processor/handlers/*)))
handlers = $(script_handlers) $(c_handlers)
handler_main = processor/handlers/$(subst -,_,$(1)).c
handler_mains = $(foreach handler,$(c_handlers),$(call handler_main,$(handler)))
handler_files = $(addprefix $(BUILD)/handlers/,$(handlers))

# ---- rooms ---------------------------------------------------------------------------------------
# Each room is a folder of sources and becomes one library, main.c left out. A room may stand on those named here.

rooms = common receiver receiver/starttls processor processor/command processor/headers processor/mime \
	processor/handlers
library = $(BUILD)/lib$(notdir $(1)).a
sources = $(filter-out %/main.c $(handler_mains),$(wildcard $(1)/*.c))
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(call sources,$(1)))
stands_on = $(if $(filter common,$(1)),,$(if $(filter processor/handlers,$(1)),processor/mime) \
	$(if $(filter processor/handlers processor/mime,$(1)),processor/headers) \
	$(if $(findstring /,$(1)),$(firstword $(subst /, ,$(1)))) common)

# The programs, each after the room that its main.c stands in; those whose main.c is there.
room_of = $(firstword $(subst :, ,$(1)))
name_of = $(lastword $(subst :, ,$(1)))
all_programs = receiver:mailmill-receiver receiver/starttls:mailmill-tls \
	processor:mailmill-processor processor/command:mailmill \
	processor/headers:mailmill-headers processor/mime:mailmill-mime
programs = $(foreach pair,$(all_programs),$(if $(wildcard $(call room_of,$(pair))/main.c),$(pair)))
program_files = $(foreach pair,$(programs),$(BUILD)/$(call name_of,$(pair)))
libraries = $(foreach room,$(rooms),$(call library,$(room)))
generated = $(BUILD)/gen/statements.h $(BUILD)/gen/schema.c

.PHONY: all
all: $(libraries) $(program_files) $(handler_files)

# What pkg-config says about the libraries. It is found once, after those that are missing were installed. GNU make
# reads this file again when it has made it. Goals that compile nothing do without.
needs_nothing = clean help uninstall format demo-stop
ifneq ($(filter-out $(needs_nothing),$(or $(MAKECMDGOALS),all)),)
include build/packages.mk
endif

build/packages.mk: tests/packages.sh Makefile
	@tests/packages.sh build
	@mkdir -p build
	@{ echo "PKG_CFLAGS := $$(pkg-config --cflags-only-I libconfuse libseccomp sqlite3 libcurl)"; \
	   echo "GMIME_CFLAGS := $$(pkg-config --cflags gmime-3.0 | sed 's/-I/-isystem /g')"; \
	   echo "PKG_LIBS := $$(pkg-config --libs libconfuse libseccomp sqlite3)"; \
	   if echo 'int main(void) { return 0; }' | $(CC) -static-pie -o $@.try -x c - $(built_in) 2> /dev/null; \
	       then echo "CAN_BUILD_IN := yes"; else echo "CAN_BUILD_IN :="; fi; \
	   rm -f $@.try; \
	   echo "TLS_LIBS := $$(pkg-config --libs libtls libcrypto)"; \
	   echo "CURL_LIBS := $$(pkg-config --libs libcurl)"; \
	   echo "GMIME_LIBS := $$(pkg-config --libs gmime-3.0)"; } > $@

# Objects are made again when the flags are not those they were made with.
flags = $(COMPILE) $(GMIME_CFLAGS)
.PHONY: FORCE
FORCE:
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)
	@printf '%s\n' $(call shell_quote,$(flags)) | cmp -s - $@ || printf '%s\n' $(call shell_quote,$(flags)) > $@
shell_quote = '$(subst ','\'',$(1))'

# ---- the schema, embedded ------------------------------------------------------------------------

migrations = $(sort $(wildcard schema/[0-9]*.sql))

$(BUILD)/gen/statements.h: schema/statements.sql schema/embed.awk
	@mkdir -p $(@D)
	$(call say,GEN ,$@)
	$(Q)awk -v part=header -f schema/embed.awk schema/statements.sql > $@.new && mv $@.new $@

$(BUILD)/gen/schema.c: schema/statements.sql $(migrations) schema/views.sql schema/embed.awk
	@mkdir -p $(@D)
	$(call say,GEN ,$@)
	$(Q)awk -v part=source -f schema/embed.awk schema/statements.sql $(migrations) schema/views.sql > $@.new \
		&& mv $@.new $@

# ---- the session's seccomp filter, made by a program that runs now ------------------------------

$(BUILD)/gen/make-filter: $(BUILD)/obj/receiver/filter/main.o $(BUILD)/obj/receiver/session_calls.o \
		$(BUILD)/libcommon.a
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $^ $(PKG_LIBS)

$(BUILD)/gen/session_filter.h: $(BUILD)/gen/make-filter
	$(call say,GEN ,$@)
	$(Q)$< > $@.new && mv $@.new $@

$(BUILD)/obj/receiver/session_sandbox.o: $(BUILD)/gen/session_filter.h

# ---- objects, libraries, programs ----------------------------------------------------------------

# GMime is for these rooms only.
$(BUILD)/obj/processor/mime/%.o $(BUILD)/obj/processor/handlers/%.o: room_cflags = $(GMIME_CFLAGS)
$(BUILD)/obj/tests/%.o: room_cflags = -DMAILMILL_SOURCE_DIR='"$(CURDIR)"' \
	-DMAILMILL_BUILD_DIR='"$(if $(filter /%,$(BUILD)),,$(CURDIR)/)$(BUILD)"'

$(BUILD)/obj/%.o: %.c $(BUILD)/flags | $(BUILD)/gen/statements.h
	@mkdir -p $(@D)
	$(call say,CC  ,$@)
	$(Q)$(COMPILE) $(room_cflags) -MMD -MP -c -o $@ $<

$(BUILD)/obj/schema/schema.o: $(BUILD)/gen/schema.c $(BUILD)/flags | $(BUILD)/gen/statements.h
	@mkdir -p $(@D)
	$(call say,CC  ,$@)
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

# A library is made afresh, so that what left the room leaves it too.
define room_rules
$(call library,$(1)): $(call objects,$(1)) $(if $(filter common,$(1)),$(BUILD)/obj/schema/schema.o)
	@rm -f $$@
	$(call say,AR  ,$$@)
	$(Q)ar rcs $$@ $$^
endef
$(foreach room,$(rooms),$(eval $(call room_rules,$(room))))

# Libraries that one program alone is to load.
LIBS_mailmill-mime = $(GMIME_LIBS)
LIBS_mailmill-tls = $(TLS_LIBS)
LIBS_webhook = $(CURL_LIBS)

# The receiver, which starts for each connection, has all of its libraries built in where that can be had: finding and
# binding them takes longer than a client that is refused. So has mailmill-headers, which forks for each message: a
# process with few mappings is quicker copied. What in the libraries asks for accounts or more libraries is never
# called, and a static program had better be certain of that. Sanitizers have their own idea of libc.
built_in_mailmill-receiver = -lconfuse -lsqlite3 -lm
built_in_mailmill-headers = -lseccomp
static_programs = mailmill-receiver mailmill-headers
built_in = $(foreach program,$(static_programs),$(built_in_$(program)))
never_called = getpwnam getpwuid dlopen dlsym dlclose dlerror
comma = ,
aborts_on = -Wl$(comma)--wrap=$(1)$(comma)--defsym=__wrap_$(1)=abort
ifeq ($(CAN_BUILD_IN)$(findstring sanitize,$(VARIANT_FLAGS)),yes)
$(addprefix $(BUILD)/,$(static_programs)): private PIE = -static-pie \
	$(foreach symbol,$(never_called),$(call aborts_on,$(symbol)))
libraries_of = $(or $(built_in_$(1)),$(PKG_LIBS))
else
libraries_of = $(PKG_LIBS)
endif

define program_rules
$(BUILD)/$(2): $(BUILD)/obj/$(1)/main.o $(foreach room,$(1) $(call stands_on,$(1)),$(call library,$(room)))
	$(call say,LINK,$$@)
	$(Q)$$(LINK) -o $$@ $$^ $$(LIBS_$(2)) $$(call libraries_of,$(2))
endef
$(foreach pair,$(programs),$(eval $(call program_rules,$(call room_of,$(pair)),$(call name_of,$(pair)))))

handler_libraries = $(foreach room,processor/handlers $(call stands_on,processor/handlers),$(call library,$(room)))
define handler_rules
$(BUILD)/handlers/$(1): $(patsubst %.c,$(BUILD)/obj/%.o,$(call handler_main,$(1))) $(handler_libraries)
	@mkdir -p $$(@D)
	$(call say,LINK,$$@)
	$(Q)$$(LINK) -o $$@ $$^ $$(LIBS_$(1)) $$(GMIME_LIBS) $$(PKG_LIBS)
endef
$(foreach handler,$(c_handlers),$(eval $(call handler_rules,$(handler))))

$(addprefix $(BUILD)/handlers/,$(script_handlers)): $(BUILD)/handlers/%: processor/handlers/%
	@mkdir -p $(@D)
	$(Q)install -m 755 $< $@

# ---- tests ---------------------------------------------------------------------------------------
# A test links the rooms whose headers it includes, so that a receiver test shows that the receiver stands alone.

unit_tests = $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
unit_helpers = $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))
fuzz_targets = $(patsubst tests/fuzz/%.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))

includes = $(if $(shell grep -l '^#include "$(2)/[a-z_]*\.h"' $(1)),$(2))
rooms_highest_first = processor/handlers processor/mime processor/headers processor/command receiver/starttls \
	processor receiver
rooms_of = $(strip $(foreach room,$(rooms_highest_first),$(call includes,$(1),$(room))))
with_ground = $(1) $(call stands_on,$(firstword $(1)))
once = $(if $(1),$(call once,$(filter-out $(lastword $(1)),$(1))) $(lastword $(1)))
libraries_for = $(foreach room,$(call once,$(call with_ground,$(call rooms_of,$(1)))),$(call library,$(room)))
test_libs = $(if $(filter %/libmime.a,$^),$(GMIME_LIBS)) $(if $(filter %/libstarttls.a,$^),$(TLS_LIBS)) \
	$(PKG_LIBS)

test_objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/unit/*.c tests/fuzz/*.c))

.PHONY: unit fuzzers objects test-objects
unit: $(unit_tests)
fuzzers: $(fuzz_targets)
objects: $(libraries) $(foreach pair,$(programs),$(BUILD)/obj/$(call room_of,$(pair))/main.o) \
	$(patsubst %.c,$(BUILD)/obj/%.o,$(handler_mains))
test-objects: $(test_objects)

.SECONDEXPANSION:
$(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(unit_helpers) $$(call libraries_for,tests/unit/$$*.c)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $^ $(test_libs) -lcmocka

$(BUILD)/fuzz_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $$(call libraries_for,tests/fuzz/fuzz_$$*.c)
	$(call say,LINK,$@)
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $^ $(test_libs)

# The benchmark's own programs; no part of the product, and nothing that it measures.
bench_programs = $(BUILD)/bench/load $(BUILD)/bench/stamp

.PHONY: bench-programs
bench-programs: $(bench_programs)
$(BUILD)/bench/load: $(BUILD)/obj/tests/bench/load.o $(BUILD)/obj/tests/bench/client.o
$(BUILD)/bench/stamp: $(BUILD)/obj/tests/bench/stamp.o
$(bench_programs):
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $^

# What a target needs to be there, installed at most once.
build/packages-%: tests/packages.sh
	@tests/packages.sh $*
	@mkdir -p build
	@touch $@

.PHONY: variant-check variant-fault variant-asan variant-fuzz
variant-check:
	+@$(MAKE) --no-print-directory WERROR=1 $(check_variant) all unit bench-programs
variant-fault:
	+@$(MAKE) --no-print-directory WERROR=1 $(fault_variant) all
variant-asan:
	+@$(MAKE) --no-print-directory WERROR=1 $(asan_variant) all unit
variant-fuzz:
	+@$(MAKE) --no-print-directory WERROR=1 $(fuzz_variant) objects test-objects fuzzers

# The steps are in tests/check.sh; STEPS="unit smtp" runs those alone.
.PHONY: check check-system bench asan fuzz lint format demo demo-svn demo-stop
check: build/packages-check
	+@FUZZ_SECONDS=$(or $(FUZZ_SECONDS),5) tests/check.sh $(STEPS)

# On machines of their own, which systemd-nspawn boots: it takes root, and a minute or two more the first time.
check-system: build/packages-check build/packages-system
	+@tests/check.sh container

bench: build/packages-bench all bench-programs
	@tests/bench/run.py

asan: build/packages-check
	+@tests/check.sh asan

fuzz: build/packages-check
	+@FUZZ_SECONDS=$(or $(FUZZ_SECONDS),60) tests/check.sh fuzz

lint: build/packages-lint build/gen/statements.h build/gen/session_filter.h
	+@$(MAKE) --no-print-directory WERROR=1 $(analyzer_variant) objects
	tests/lint.sh

c_files = $(wildcard $(foreach room,$(rooms) receiver/filter schema tests/unit tests/fuzz tests/bench,$(room)/*.[ch]))
format: build/packages-format
	clang-format -i $(c_files)

demo: build/packages-demo all
	@tests/demo/run.sh

demo-svn: build/packages-demo-svn all
	@tests/demo/svn.sh

demo-stop:
	@tests/demo/run.sh stop
	@tests/demo/svn.sh stop

# ---- installing ----------------------------------------------------------------------------------
# Files of systemd/ hold the usual paths; others are put in their place on the way. What an administrator edits
# (mailmill.conf, the xinetd file) is never overwritten and never removed.

in_place = sed -e 's|/usr/sbin/mailmill|$(sbindir)/mailmill|g' -e 's|/usr/lib/mailmill|$(libexecdir)|g' \
	-e 's|/etc/mailmill|$(SYSCONFDIR)/mailmill|g' -e 's|/var/spool/mailmill|$(LOCALSTATEDIR)/spool/mailmill|g' \
	-e 's|/var/lib/mailmill|$(LOCALSTATEDIR)/lib/mailmill|g' -e 's|/usr/share/doc/mailmill|$(docdir)|g' \
	-e 's|/var/log/mailmill|$(LOCALSTATEDIR)/log/mailmill|g' $(say_places)
# The programs know the usual places: a configuration for others says them.
say_places = $(if $(filter-out /var,$(LOCALSTATEDIR)),-e 's|^\#spool = |spool = |' -e 's|^\#index = |index = |') \
	$(if $(filter-out /usr/lib/mailmill,$(libexecdir)),-e 's|^\#handlers = |handlers = |')
# $(call put,FILE,FOLDER,NAME), the same for a file that may have been edited, and $(call put_programs,FILES,FOLDER).
# Folders are for all to read, whatever root's umask: others read the configuration and run the programs.
put = @$(call put_file,$(1),$(DESTDIR)$(2),$(3))
put_file = echo "  $(2)/$(3)" && (umask 022 && mkdir -p "$(2)") && $(in_place) $(1) > "$(2)/$(3).new" \
	&& chmod 644 "$(2)/$(3).new" && mv "$(2)/$(3).new" "$(2)/$(3)"
put_new = @if [ -e "$(DESTDIR)$(2)/$(3)" ]; then echo "  $(DESTDIR)$(2)/$(3) is there and stays"; \
	else $(call put_file,$(1),$(DESTDIR)$(2),$(3)); fi
put_programs = @(umask 022 && mkdir -p "$(DESTDIR)$(2)") && install -m 755 $(1) "$(DESTDIR)$(2)" && printf '  %s\n' \
	$(foreach program,$(notdir $(1)),"$(DESTDIR)$(2)/$(program)")

# A man page stands in the room of what it describes, and goes to the folder of its section.
man_pages = $(foreach room,$(rooms),$(wildcard $(room)/*.[1-8]))
man_folder = $(mandir)/man$(patsubst .%,%,$(suffix $(1)))

# The Debian package, into build/deb.
.PHONY: deb
deb: build/packages-build build/packages-deb
	@systemd/debian/package.sh $(VERSION) build/deb

.PHONY: install uninstall clean help
install: all
	$(call put_programs,$(BUILD)/mailmill-receiver $(BUILD)/mailmill-processor,$(sbindir))
	$(call put_programs,$(BUILD)/mailmill,$(bindir))
	$(call put_programs,$(addprefix $(BUILD)/mailmill-,headers mime tls),$(libexecdir))
	$(call put_programs,$(handler_files),$(libexecdir)/handlers)
	$(call put,systemd/mailmill-processor.service,$(unitdir),mailmill-processor.service)
	$(call put,systemd/mailmill-receiver.service,$(unitdir),mailmill-receiver.service)
	$(call put,systemd/mailmill-receiver.socket,$(unitdir),mailmill-receiver.socket)
	$(call put,systemd/mailmill.sysusers,$(sysusersdir),mailmill.conf)
	$(call put,systemd/mailmill.tmpfiles,$(tmpfilesdir),mailmill.conf)
	$(call put,systemd/mailmill.conf.sample,$(docdir),mailmill.conf.sample)
	@for page in $(man_pages); do \
		$(call put_file,$$page,$(DESTDIR)$(mandir)/man$${page##*.},$${page##*/}) || exit 1; done
	$(call put,systemd/mailmill.bash,$(completiondir),mailmill)
	$(call put_new,systemd/mailmill.conf.sample,$(SYSCONFDIR)/mailmill,mailmill.conf)
	$(call put_new,systemd/mailmill.xinetd,$(SYSCONFDIR)/xinetd.d,mailmill)

uninstall:
	rm -f "$(DESTDIR)$(sbindir)/mailmill-receiver" "$(DESTDIR)$(sbindir)/mailmill-processor" \
		"$(DESTDIR)$(bindir)/mailmill" \
		"$(DESTDIR)$(libexecdir)/mailmill-headers" "$(DESTDIR)$(libexecdir)/mailmill-mime" \
		"$(DESTDIR)$(libexecdir)/mailmill-tls" \
		$(foreach handler,$(handlers),"$(DESTDIR)$(libexecdir)/handlers/$(handler)") \
		$(foreach page,$(man_pages),"$(DESTDIR)$(call man_folder,$(page))/$(notdir $(page))") \
		"$(DESTDIR)$(unitdir)/mailmill-processor.service" "$(DESTDIR)$(unitdir)/mailmill-receiver.service" \
		"$(DESTDIR)$(unitdir)/mailmill-receiver.socket" "$(DESTDIR)$(sysusersdir)/mailmill.conf" \
		"$(DESTDIR)$(tmpfilesdir)/mailmill.conf" "$(DESTDIR)$(docdir)/mailmill.conf.sample" \
		"$(DESTDIR)$(completiondir)/mailmill"
	@rmdir "$(DESTDIR)$(libexecdir)/handlers" "$(DESTDIR)$(libexecdir)" "$(DESTDIR)$(docdir)" 2>/dev/null || true
	@echo "Kept: $(SYSCONFDIR)/mailmill, $(SYSCONFDIR)/xinetd.d/mailmill and the mail in $(LOCALSTATEDIR)"

clean: demo-stop
	rm -rf build

help:
	@echo "make            build the programs into build/"
	@echo "make demo       mail a question to the 8-ball on this machine and show the answer (KEEP=1: leave it running)"
	@echo "make demo-svn   commit to a Subversion repository, and see a working copy updated by its mail (KEEP=1)"
	@echo "make demo-stop  stop what KEEP=1 left running"
	@echo "make check      every test (STEPS=\"unit smtp\" runs some; tests/check.sh names them)"
	@echo "make check-system  the package on machines booted for it, upgrades and reboots included (needs root)"
	@echo "make bench      the receiver beside Postfix and OpenSMTPD, in figures (QUICK=1: shorter; the two need root)"
	@echo "make asan       the unit tests under ASan and UBSan"
	@echo "make fuzz       the fuzz targets for FUZZ_SECONDS=60 each"
	@echo "make lint       gcc -fanalyzer, clang-tidy, cppcheck, shellcheck"
	@echo "make format     clang-format over the sources"
	@echo "make install    into DESTDIR=, with PREFIX=/usr SYSCONFDIR=/etc LOCALSTATEDIR=/var"
	@echo "make deb        the Debian package, into build/deb"
	@echo "make uninstall  the programs and units again; configuration and mail stay"
	@echo "make clean      remove build/"
	@echo "V=1 shows the commands. What is missing on this machine is installed by the target that needs it."

.SECONDARY:
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
