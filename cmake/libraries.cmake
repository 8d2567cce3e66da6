# Third-party libraries, each behind one imported target so that a layer names what it may use.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(km_import name module)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${module})
  add_library(km::${name} ALIAS PkgConfig::${name})
endfunction()

# libcurl is loaded on first use (src/net/curl_api.h): only its headers take part in the build.
pkg_check_modules(curl REQUIRED libcurl>=7.88)
add_library(km_curl_headers INTERFACE)
target_include_directories(km_curl_headers SYSTEM INTERFACE ${curl_INCLUDE_DIRS})
add_library(km::curl_headers ALIAS km_curl_headers)
km_import(microhttpd libmicrohttpd>=0.9.75)
km_import(yaml yaml-0.1>=0.2.5)
km_import(gnutls gnutls>=3.7)
km_import(yyjson yyjson>=0.10)
km_import(uv libuv>=1.44)
find_path(KM_UTHASH_INCLUDE uthash.h REQUIRED)
pkg_check_modules(cmocka IMPORTED_TARGET cmocka)
if(cmocka_FOUND)
  add_library(km::cmocka ALIAS PkgConfig::cmocka)
endif()
