// Names of PostgreSQL 15's own functions, operators and types, separated by blanks; read by
// builtin_functions.cpp alone. Made from pg_proc, pg_operator and pg_type of a fresh cluster:
// functions that can be called with plain values (no internal arguments, not merely the
// implementation of an operator, type or index), then sorted by hand into the lists below.
#pragma once

#include <string_view>

namespace weir::querycache::sql::names {

// clang-format off

// Immutable in every overload, and neither pg_settings nor the catalog behind it.
// Left out though marked immutable: quote_ident (quote_all_identifiers), ts_lexize (files), pg_*, xml.
// length is here: its stable overload, length(bytea, name), reads no setting.
inline constexpr std::string_view of_arguments =
    "abbrev abs acos acosd acosh area array_agg array_append array_cat array_dims array_fill "
    "array_length array_lower array_ndims array_position array_positions array_prepend "
    "array_remove array_replace array_to_tsvector array_upper arraycontained arraycontains "
    "arrayoverlap ascii asin asind asinh atan atan2 atan2d atand atanh avg bit bit_and "
    "bit_count bit_length bit_or bit_xor bool bool_and bool_or box bpchar broadcast btrim "
    "cardinality cbrt ceil ceiling center char char_length character_length chr cidr circle "
    "corr cos cosd cosh cot cotd count covar_pop covar_samp cume_dist date_bin datemultirange "
    "daterange daterange_canonical daterange_subdiff decode degrees dense_rank dexp diagonal "
    "diameter div dlog1 dlog10 dround dtrunc encode every exp factorial family first_value "
    "float4 float8 floor gcd generate_subscripts get_bit get_byte height host hostmask "
    "inet_merge inet_same_family initcap int2 int4 int4inc int4multirange int4range "
    "int4range_canonical int4range_subdiff int8 int8_sum int8multirange int8range "
    "int8range_canonical int8range_subdiff interval is_normalized isclosed isempty isfinite "
    "ishorizontal isopen isparallel isperp isvertical json_array_elements "
    "json_array_elements_text json_array_length json_each json_each_text json_extract_path "
    "json_extract_path_text json_object json_object_keys json_strip_nulls json_typeof "
    "jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_concat "
    "jsonb_contained jsonb_contains jsonb_delete jsonb_delete_path jsonb_each jsonb_each_text "
    "jsonb_exists jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object "
    "jsonb_object_keys jsonb_path_exists jsonb_path_match jsonb_path_query "
    "jsonb_path_query_array jsonb_path_query_first jsonb_pretty jsonb_set jsonb_set_lax "
    "jsonb_strip_nulls jsonb_typeof justify_days justify_hours justify_interval lag last_value "
    "lcm lead left length like like_escape line ln log log10 lower lower_inc lower_inf lpad "
    "lseg ltrim macaddr macaddr8 macaddr8_set7bit make_date make_interval make_time "
    "make_timestamp masklen max md5 min min_scale mod mode multirange name netmask network "
    "normalize notlike npoints nth_value ntile num_nonnulls num_nulls numeric_abs "
    "numeric_div_trunc numeric_exp numeric_inc numeric_ln numeric_log numeric_sqrt "
    "nummultirange numnode numrange numrange_subdiff octet_length overlay parse_ident path "
    "pclose percent_rank percentile_cont percentile_disc pg_lsn pg_size_bytes pg_size_pretty pi "
    "point polygon popen position pow power querytree radians radius range_agg "
    "range_intersect_agg range_merge rank regexp_count regexp_instr regexp_like regexp_match "
    "regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr "
    "regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy "
    "regr_syy repeat replace reverse right round row_number rpad rtrim scale set_bit set_byte "
    "set_masklen setweight sha224 sha256 sha384 sha512 sign similar_escape similar_to_escape "
    "sin sind sinh slope split_part sqrt starts_with stddev stddev_pop stddev_samp string_agg "
    "string_to_array string_to_table strip strpos substr substring sum tan tand tanh text "
    "textcat textlen to_ascii to_hex translate trim_array trim_scale trunc ts_delete ts_filter "
    "ts_rank ts_rank_cd tsmultirange tsquery_phrase tsrange tsrange_subdiff tstzmultirange "
    "tstzrange tstzrange_subdiff tsvector_to_array unistr unnest upper upper_inc upper_inf "
    "var_pop var_samp varbit varchar variance width width_bucket ";

// Depend on arguments and on settings or definitions that are part of the cache key or of the catalog's
// generation: TimeZone, DateStyle, IntervalStyle, lc_*, xml*, default_text_search_config, enum labels.
// date, timestamp and timestamptz are casts, and judged as such (clock_casts.hpp); timezone() of a
// time of day takes today's offset, so that is judged with the columns' types.
// Left out: age with one argument reads the clock; json_to_record() and its kin read whatever texts
// are in the value as values of any type, also 'now'; a time of day with a zone has the offset of
// today (time, timetz, jsonb_path_..._tz).
inline constexpr std::string_view of_keyed_settings =
    "array_to_json array_to_string concat concat_ws convert convert_from convert_to date "
    "date_part date_trunc enum_first enum_last enum_range extract format generate_series "
    "json_agg json_build_array json_build_object json_object_agg "
    "json_to_tsvector jsonb_agg jsonb_build_array jsonb_build_object "
    "jsonb_object_agg "
    ""
    "jsonb_to_tsvector make_timestamptz money numeric overlaps phraseto_tsquery plainto_tsquery "
    "quote_literal quote_nullable row_to_json timestamp timestamptz timezone "
    "to_char to_date to_json to_jsonb to_number to_timestamp to_tsquery to_tsvector ts_headline "
    "websearch_to_tsquery xmlagg xmlcomment ";

// All others that surely change no table. Left out: what runs SQL from text or calls plugins
// (query_to_xml, ts_stat, ts_rewrite, pg_logical_slot_get_changes, ...), what changes the catalog.
inline constexpr std::string_view that_write_nothing =
    "json_to_record json_to_recordset jsonb_path_exists_tz jsonb_path_match_tz "
    "jsonb_path_query_array_tz jsonb_path_query_first_tz jsonb_path_query_tz jsonb_to_record "
    "jsonb_to_recordset time timetz acldefault aclexplode age cash_words clock_timestamp col_description current_database "
    "current_query current_schema current_schemas current_setting current_user currval "
    "format_type gen_random_uuid get_current_ts_config getdatabaseencoding getpgusername "
    "has_any_column_privilege has_column_privilege has_database_privilege "
    "has_foreign_data_wrapper_privilege has_function_privilege has_language_privilege "
    "has_parameter_privilege has_schema_privilege has_sequence_privilege has_server_privilege "
    "has_table_privilege has_tablespace_privilege has_type_privilege inet_client_addr "
    "inet_client_port inet_server_addr inet_server_port json_populate_record "
    "json_populate_recordset jsonb_populate_record jsonb_populate_recordset lastval lo_close "
    "lo_creat lo_create lo_export lo_from_bytea lo_get lo_lseek lo_lseek64 lo_open lo_put "
    "lo_tell lo_tell64 lo_truncate lo_truncate64 lo_unlink loread lowrite makeaclitem mxid_age "
    "nameconcatoid nextval now obj_description oid oidvectortypes pg_advisory_lock "
    "pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_all "
    "pg_advisory_unlock_shared pg_advisory_xact_lock pg_advisory_xact_lock_shared "
    "pg_available_extension_versions pg_available_extensions pg_backend_pid pg_backup_start "
    "pg_backup_stop pg_blocking_pids pg_cancel_backend pg_char_to_encoding pg_client_encoding "
    "pg_collation_actual_version pg_collation_for pg_collation_is_visible pg_column_compression "
    "pg_column_is_updatable pg_column_size pg_conf_load_time pg_config pg_control_checkpoint "
    "pg_control_init pg_control_recovery pg_control_system pg_conversion_is_visible "
    "pg_create_restore_point pg_current_logfile pg_current_snapshot pg_current_wal_flush_lsn "
    "pg_current_wal_insert_lsn pg_current_wal_lsn pg_current_xact_id "
    "pg_current_xact_id_if_assigned pg_cursor pg_database_collation_actual_version "
    "pg_database_size pg_describe_object pg_encoding_max_length pg_encoding_to_char "
    "pg_export_snapshot pg_filenode_relation pg_function_is_visible "
    "pg_get_backend_memory_contexts pg_get_catalog_foreign_keys pg_get_constraintdef "
    "pg_get_expr pg_get_function_arg_default pg_get_function_arguments "
    "pg_get_function_identity_arguments pg_get_function_result pg_get_function_sqlbody "
    "pg_get_functiondef pg_get_indexdef pg_get_keywords pg_get_multixact_members "
    "pg_get_object_address pg_get_partition_constraintdef pg_get_partkeydef "
    "pg_get_publication_tables pg_get_replica_identity_index pg_get_replication_slots "
    "pg_get_ruledef pg_get_serial_sequence pg_get_shmem_allocations pg_get_statisticsobjdef "
    "pg_get_statisticsobjdef_columns pg_get_statisticsobjdef_expressions pg_get_triggerdef "
    "pg_get_userbyid pg_get_viewdef pg_get_wal_replay_pause_state pg_get_wal_resource_managers "
    "pg_has_role pg_hba_file_rules pg_ident_file_mappings pg_identify_object "
    "pg_identify_object_as_address pg_index_column_has_property pg_index_has_property "
    "pg_indexam_has_property pg_indexam_progress_phasename pg_indexes_size pg_is_in_recovery "
    "pg_is_other_temp_schema pg_is_wal_replay_paused pg_jit_available pg_last_committed_xact "
    "pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp "
    "pg_listening_channels pg_lock_status pg_log_backend_memory_contexts "
    "pg_logical_emit_message pg_ls_archive_statusdir pg_ls_dir pg_ls_logdir pg_ls_logicalmapdir "
    "pg_ls_logicalsnapdir pg_ls_replslotdir pg_ls_tmpdir pg_ls_waldir pg_mcv_list_items "
    "pg_my_temp_schema pg_notification_queue_usage pg_notify pg_opclass_is_visible "
    "pg_operator_is_visible pg_opfamily_is_visible pg_options_to_table pg_partition_ancestors "
    "pg_partition_root pg_partition_tree pg_postmaster_start_time pg_prepared_statement "
    "pg_prepared_xact pg_read_binary_file pg_read_file pg_read_file_old pg_relation_filenode "
    "pg_relation_filepath pg_relation_is_publishable pg_relation_is_updatable pg_relation_size "
    "pg_reload_conf pg_rotate_logfile pg_rotate_logfile_old pg_safe_snapshot_blocking_pids "
    "pg_sequence_last_value pg_sequence_parameters pg_settings_get_flags "
    "pg_show_all_file_settings pg_show_all_settings pg_show_replication_origin_status pg_sleep "
    "pg_sleep_for pg_sleep_until pg_snapshot_xip pg_snapshot_xmax pg_snapshot_xmin "
    "pg_stat_clear_snapshot pg_stat_file pg_stat_force_next_flush pg_stat_have_stats "
    "pg_stat_reset pg_stat_reset_replication_slot pg_stat_reset_shared "
    "pg_stat_reset_single_function_counters pg_stat_reset_single_table_counters "
    "pg_stat_reset_slru pg_stat_reset_subscription_stats pg_statistics_obj_is_visible "
    "pg_switch_wal pg_table_is_visible pg_table_size pg_tablespace_databases "
    "pg_tablespace_location pg_tablespace_size pg_terminate_backend pg_timezone_abbrevs "
    "pg_timezone_names pg_total_relation_size pg_trigger_depth pg_try_advisory_lock "
    "pg_try_advisory_lock_shared pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared "
    "pg_ts_config_is_visible pg_ts_dict_is_visible pg_ts_parser_is_visible "
    "pg_ts_template_is_visible pg_type_is_visible pg_typeof pg_visible_in_snapshot "
    "pg_wal_lsn_diff pg_wal_replay_pause pg_wal_replay_resume pg_walfile_name "
    "pg_walfile_name_offset pg_xact_commit_timestamp pg_xact_commit_timestamp_origin "
    "pg_xact_status postgresql_fdw_validator quote_ident random regclass row_security_active "
    "satisfies_hash_partition session_user set_config setseed setval shell_in shell_out "
    "shobj_description statement_timestamp timeofday to_regclass to_regcollation "
    "to_regnamespace to_regoper to_regoperator to_regproc to_regprocedure to_regrole to_regtype "
    "transaction_timestamp ts_debug ts_lexize ts_parse ts_token_type txid_current "
    "txid_current_if_assigned txid_current_snapshot txid_snapshot_xip txid_snapshot_xmax "
    "txid_snapshot_xmin txid_status txid_visible_in_snapshot version xid xml xml_is_well_formed "
    "xml_is_well_formed_content xml_is_well_formed_document xmlexists xmlvalidate xpath "
    "xpath_exists ";

// BETWEEN is an operator name of the grammar only.
inline constexpr std::string_view of_operators =
    "!! !~ !~* !~~ !~~* # ## #- #> #>> % & && &< &<| &> * *< *<= *<> *= *> *>= + - -> ->> -|- / "
    "< <-> << <<= <<| <= <> <@ <^ = > >= >> >>= >^ ? ?# ?& ?- ?-| ?| ?|| @ @-@ @> @? @@ @@@ ^ "
    "^@ | |&> |/ |>> || ||/ ~ ~* ~<=~ ~<~ ~= ~>=~ ~>~ ~~ ~~* != ";

// serial and its kin are names of the grammar only.
inline constexpr std::string_view of_types =
    "aclitem any anyarray anycompatible anycompatiblearray anycompatiblemultirange "
    "anycompatiblenonarray anycompatiblerange anyelement anyenum anymultirange anynonarray "
    "anyrange bit bool box bpchar bytea char cid cidr circle cstring date datemultirange "
    "daterange event_trigger fdw_handler float4 float8 gtsvector index_am_handler inet int2 "
    "int2vector int4 int4multirange int4range int8 int8multirange int8range internal interval "
    "json jsonb jsonpath language_handler line lseg macaddr macaddr8 money name numeric "
    "nummultirange numrange oid oidvector path pg_brin_bloom_summary "
    "pg_brin_minmax_multi_summary pg_ddl_command pg_dependencies pg_lsn pg_mcv_list "
    "pg_ndistinct pg_node_tree pg_snapshot point polygon record refcursor regclass regcollation "
    "regconfig regdictionary regnamespace regoper regoperator regproc regprocedure regrole "
    "regtype table_am_handler text tid time timestamp timestamptz timetz trigger tsm_handler "
    "tsmultirange tsquery tsrange tstzmultirange tstzrange tsvector txid_snapshot unknown uuid "
    "varbit varchar void xid xid8 xml serial serial2 serial4 serial8 bigserial smallserial ";

// clang-format on

}  // namespace weir::querycache::sql::names
